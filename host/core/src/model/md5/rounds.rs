//! The four rounds of MD5 with as little as can be between two steps.
//!
//! Each of the 64 steps needs the word of the one before, so what counts is how many operations
//! lie between the two, not how many there are. The compiler reorders sums without regard to that;
//! [`then`] keeps it from doing so.

/// Digests blocks.
pub(super) fn compress(state: &mut [u32; 4], blocks: &[[u8; 64]]) {
    for block in blocks {
        let (words, _) = block.as_chunks();
        let word = |index: usize| words.get(index).map_or(0, |word| u32::from_le_bytes(*word));
        let mut now = *state;
        // `(b & c) | (!b & d)`
        now = round(
            now,
            [7, 12, 17, 22],
            &SINES[0],
            &word,
            |i| i,
            |sum, b, c, d| then(sum, ((c ^ d) & b) ^ d),
        );
        // `(b & d) | (c & !d)`: as no bit is in both they can be added, the one without `b` first.
        now = round(
            now,
            [5, 9, 14, 20],
            &SINES[1],
            &word,
            |i| (5 * i + 1) % 16,
            |sum, b, c, d| then(then(sum, c & !d), b & d),
        );
        now = round(
            now,
            [4, 11, 16, 23],
            &SINES[2],
            &word,
            |i| (3 * i + 5) % 16,
            |sum, b, c, d| then(sum, (c ^ d) ^ b),
        );
        now = round(
            now,
            [6, 10, 15, 21],
            &SINES[3],
            &word,
            |i| (7 * i) % 16,
            |sum, b, c, d| then(sum, c ^ (b | !d)),
        );
        for (word, new) in state.iter_mut().zip(now) {
            *word = word.wrapping_add(new);
        }
    }
}

/// Sixteen steps. `mix` adds what it makes of the three other words, of which the first was
/// calculated last.
#[inline]
fn round(
    [mut a, mut b, mut c, mut d]: [u32; 4],
    turns: [u32; 4],
    sines: &[u32; 16],
    word: &impl Fn(usize) -> u32,
    order: impl Fn(usize) -> usize,
    mix: impl Fn(u32, u32, u32, u32) -> u32,
) -> [u32; 4] {
    for (index, sine) in sines.iter().enumerate() {
        let turn = match index % 4 {
            0 => turns[0],
            1 => turns[1],
            2 => turns[2],
            _ => turns[3],
        };
        let sum = a.wrapping_add(word(order(index))).wrapping_add(*sine);
        let next = mix(sum, b, c, d).rotate_left(turn).wrapping_add(b);
        (a, b, c, d) = (d, next, b, c);
    }
    [a, b, c, d]
}

/// `sum + last`, where `last` is added last.
#[inline]
#[allow(unsafe_code, reason = "the compiler has no other way to keep an order")]
fn then(mut sum: u32, last: u32) -> u32 {
    // SAFETY: an addition of two registers touches nothing else.
    unsafe {
        std::arch::asm!(
            "add {sum:e}, {last:e}",
            sum = inout(reg) sum,
            last = in(reg) last,
            options(pure, nomem, nostack),
        );
    }
    sum
}

/// `2^32 * |sin(n)|` for n from 1 to 64.
const SINES: [[u32; 16]; 4] = [
    [
        0xd76a_a478,
        0xe8c7_b756,
        0x2420_70db,
        0xc1bd_ceee,
        0xf57c_0faf,
        0x4787_c62a,
        0xa830_4613,
        0xfd46_9501,
        0x6980_98d8,
        0x8b44_f7af,
        0xffff_5bb1,
        0x895c_d7be,
        0x6b90_1122,
        0xfd98_7193,
        0xa679_438e,
        0x49b4_0821,
    ],
    [
        0xf61e_2562,
        0xc040_b340,
        0x265e_5a51,
        0xe9b6_c7aa,
        0xd62f_105d,
        0x0244_1453,
        0xd8a1_e681,
        0xe7d3_fbc8,
        0x21e1_cde6,
        0xc337_07d6,
        0xf4d5_0d87,
        0x455a_14ed,
        0xa9e3_e905,
        0xfcef_a3f8,
        0x676f_02d9,
        0x8d2a_4c8a,
    ],
    [
        0xfffa_3942,
        0x8771_f681,
        0x6d9d_6122,
        0xfde5_380c,
        0xa4be_ea44,
        0x4bde_cfa9,
        0xf6bb_4b60,
        0xbebf_bc70,
        0x289b_7ec6,
        0xeaa1_27fa,
        0xd4ef_3085,
        0x0488_1d05,
        0xd9d4_d039,
        0xe6db_99e5,
        0x1fa2_7cf8,
        0xc4ac_5665,
    ],
    [
        0xf429_2244,
        0x432a_ff97,
        0xab94_23a7,
        0xfc93_a039,
        0x655b_59c3,
        0x8f0c_cc92,
        0xffef_f47d,
        0x8584_5dd1,
        0x6fa8_7e4f,
        0xfe2c_e6e0,
        0xa301_4314,
        0x4e08_11a1,
        0xf753_7e82,
        0xbd3a_f235,
        0x2ad7_d2bb,
        0xeb86_d391,
    ],
];
