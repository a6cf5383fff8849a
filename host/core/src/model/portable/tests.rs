use super::*;
use proptest::prelude::*;

const LIMIT: usize = 4096;

fn bare(etag: ETag, size: u64) -> Portable {
    Portable {
        size,
        etag,
        part_sizes: PartSizes::default(),
        checksum: None,
        metadata: Metadata::default(),
    }
}

fn rich() -> Portable {
    let etag = ETag::Multipart {
        digest: [7; 16],
        parts: 3.try_into().unwrap(),
    };
    let sum = Checksum::of(ChecksumAlgorithm::Sha256, b"x");
    Portable {
        part_sizes: [5 << 20, 5 << 20, 9].into_iter().collect(),
        checksum: Some(ObjectChecksum {
            sum,
            parts: NonZeroU16::new(3),
        }),
        metadata: Metadata {
            content_type: Some("text/plain; charset=utf-8".into()),
            cache_control: Some("no-cache".into()),
            user: vec![("owner".into(), "zoë = <you> & 'me';".into())],
            tags: vec![("a b".into(), "100%".into())],
            ..Metadata::default()
        },
        ..bare(etag, (10 << 20) + 9)
    }
}

#[test]
fn the_text_is_short_and_of_harmless_characters() {
    let text = rich().texts("uuid", LIMIT).remove(0);
    assert_eq!(
        text,
        "pys3local:1;s=10485769;v=ef7c876f00f3acdd;e=07070707070707070707070707070707-3;\
         p=5242880*2,9;c=SHA256:LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=-3;\
         t=text/plain%3B%20charset%3Dutf-8;cc=no-cache;\
         u.owner=zo%C3%AB%20%3D%20%3Cyou%3E%20%26%20%27me%27%3B;g.a%20b=100%25;z=4192fc8a"
    );
    let odd = |c: char| !c.is_ascii_graphic() || "<>&\"'\\".contains(c);
    assert!(!text.contains(odd));
}

#[test]
fn texts_get_shorter_down_to_the_etag_alone_and_all_are_believed() {
    let object = rich();
    let texts = object.texts("uuid", LIMIT);
    assert_eq!(texts.len(), 7);
    assert!(texts.windows(2).all(|two| two[0].len() > two[1].len()));
    for text in &texts {
        let read = Portable::read(text, "uuid", object.size).unwrap();
        assert_eq!(read.etag, object.etag);
    }
    let last = Portable::read(&texts[6], "uuid", object.size).unwrap();
    assert_eq!(last, bare(object.etag.clone(), object.size));
    assert_eq!(object.texts("uuid", texts[6].len()), texts[6..]);
    assert!(object.texts("uuid", 20).is_empty());
    assert_eq!(bare(ETag::Md5([1; 16]), 0).texts("", LIMIT).len(), 1);
}

#[test]
fn a_text_is_believed_only_beside_the_content_that_it_was_written_for() {
    let object = rich();
    let text = object.texts("uuid", LIMIT).remove(0);
    assert_eq!(
        Portable::read(&text, "uuid", object.size),
        Some(object.clone())
    );
    assert_eq!(Portable::read(&text, "other", object.size), None);
    assert_eq!(Portable::read(&text, "", object.size), None);
    assert_eq!(Portable::read(&text, "uuid", object.size + 1), None);
    assert!(Portable::is_one(&text));
    // Without versions there is the size alone.
    let text = object.texts("", LIMIT).remove(0);
    assert_eq!(Portable::read(&text, "uuid", object.size), None);
    assert!(Portable::read(&text, "", object.size).is_some());
}

#[test]
fn the_words_of_a_person_may_stand_around_it_and_are_nothing_by_themselves() {
    let object = rich();
    let text = object.texts("v", LIMIT).remove(0);
    for around in [
        format!("My holidays {text}"),
        format!("two\nlines\n{text}\n"),
        format!("{text} is what the program says"),
    ] {
        let read = Portable::read(&around, "v", object.size);
        assert_eq!(read.as_ref(), Some(&object), "{around}");
    }
    for foreign in [
        "",
        "My holidays",
        "pys3local:1;",
        "pys3local:1;s=1",
        "pys3local:2;s=1;z=00000000",
        "{\"etag\":\"d41d8cd98f00b204e9800998ecf8427e\"}",
        &format!("x{text}"),
        &text[1..],
    ] {
        assert_eq!(Portable::read(foreign, "v", object.size), None, "{foreign}");
        assert!(!Portable::is_one(foreign), "{foreign}");
    }
}

#[test]
fn a_text_that_was_cut_or_changed_anywhere_says_nothing() {
    let object = rich();
    let text = object.texts("v", LIMIT).remove(0);
    for at in 0..text.len() {
        assert_eq!(Portable::read(&text[..at], "v", object.size), None);
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(Portable::read(&changed, "v", object.size), None, "{at}");
    }
}

#[test]
fn a_sound_text_with_nonsense_in_it_says_nothing() {
    let says = |fields: &str| {
        let said = format!("{MARK}s=9;{fields}");
        Portable::read(&format!("{said}{END}{}", sum(&said)), "", 9).is_some()
    };
    let md5 = "e=d41d8cd98f00b204e9800998ecf8427e";
    assert!(says(md5));
    assert!(says(&format!("{md5};later=what%20comes")));
    for nonsense in [
        "t=a/b".to_owned(),
        "e=x-made-up".into(),
        format!("{md5};s=10"),
        format!("{md5};novalue"),
        format!("{md5};p=9"),
        format!("{md5}-2;p=4,4"),
        format!("{md5}-2;p=9*10001"),
        format!("{md5}-2;p=18446744073709551615,10"),
        format!("{md5};c=CRC32:AAAA"),
        format!("{md5}-2;c=SHA1:LGrt42/oxfyQ/VjDOf2Z8FLQvdM=-3"),
        format!("{md5};t=a%0D%0Ab"),
        format!("{md5};t=%FF"),
        format!("{md5};u.a%20b=1"),
        format!("{md5};u.=1"),
        format!("{md5};u.Upper=1"),
    ] {
        assert!(!says(&nonsense), "{nonsense}");
    }
}

fn a_text() -> impl Strategy<Value = String> {
    "\\PC{0,40}".prop_map(|text| text.chars().filter(|c| !c.is_control()).collect())
}

prop_compose! {
    fn an_object()(
        parts in prop::collection::vec(0u64..1 << 40, 0..5),
        md5: [u8; 16],
        size in 0u64..1 << 50,
        headers in prop::collection::vec(prop::option::of(a_text()), 6),
        user in prop::collection::vec(("[a-z0-9!#$%&'*+.^_`|~-]{1,20}", a_text()), 0..5),
        tags in prop::collection::vec((a_text(), a_text()), 0..4),
        sum in prop::option::of(0usize..5),
    ) -> Portable {
        let mut headers = headers.into_iter().flatten();
        let count = NonZeroU16::new(u16::try_from(parts.len()).unwrap());
        let algorithm = sum.map(|at| ChecksumAlgorithm::ALL[at]);
        Portable {
            size: if count.is_some() { parts.iter().sum() } else { size },
            etag: match count {
                Some(parts) => ETag::Multipart { digest: md5, parts },
                None => ETag::Md5(md5),
            },
            part_sizes: parts.into_iter().collect(),
            checksum: algorithm.map(|algorithm| ObjectChecksum {
                sum: Checksum::of(algorithm, &md5),
                parts: count,
            }),
            metadata: Metadata {
                content_type: headers.next(),
                cache_control: headers.next(),
                content_disposition: headers.next(),
                content_encoding: headers.next(),
                content_language: headers.next(),
                expires: headers.next(),
                user,
                tags,
            },
        }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(object in an_object(), version in "\\PC{0,40}", before in a_text()) {
        let texts = object.texts(&version, usize::MAX);
        prop_assert!(!texts.is_empty());
        let text = format!("{before} {}", texts[0]);
        prop_assert_eq!(Portable::read(&text, &version, object.size), Some(object));
    }

    #[test]
    fn no_text_makes_the_reader_panic(raw: String, version: String, size: u64) {
        let _ = Portable::read(&raw, &version, size);
        // The same behind a sound frame, so that the fields are looked at.
        let said = format!("{MARK}{raw}");
        let _ = Portable::read(&format!("{said}{END}{}", sum(&said)), &version, size);
    }

    #[test]
    fn no_mutilation_makes_the_reader_panic(
        object in an_object(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 1..4),
    ) {
        let mut chars: Vec<char> = object.texts("v", usize::MAX)[0].chars().collect();
        for (at, c) in cuts {
            let at = at.index(chars.len());
            chars[at] = c;
        }
        let said: String = chars.into_iter().collect();
        let _ = Portable::read(&said, "v", object.size);
        let said = said.rsplit_once(END).map_or(said.as_str(), |(said, _)| said);
        let _ = Portable::read(&format!("{said}{END}{}", sum(said)), "v", object.size);
    }
}
