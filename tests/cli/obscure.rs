//! `obscure`.

use crate::program::Home;

#[test]
fn an_obscured_password_is_revealed_again() {
    let home = Home::new();
    let obscured = home.ok(&["obscure", "hunter2 ✓"]);
    assert_eq!(
        home.ok(&["obscure", "--reveal", obscured.trim()]),
        "hunter2 ✓\n"
    );
    let piped = home.run_with(&["obscure", "--reveal"], &obscured);
    assert_eq!(piped.stdout, "hunter2 ✓\n");
}

#[test]
fn the_ancestors_example_is_revealed() {
    let example = "i0nYnsBQHmFXPIAKOwHh5zyzn8PsUeYRcUKe_tA_";
    assert_eq!(
        Home::new().ok(&["obscure", "--reveal", example]),
        "secret-key-123\n"
    );
}

#[test]
fn what_begins_with_a_dash_is_a_password() {
    let home = Home::new();
    let dashed = "-AAAAAAAAAAAAAAAAAAAAKDEEis";
    assert_eq!(home.ok(&["obscure", "--reveal", dashed]), "dash\n");
    let obscured = home.ok(&["obscure", "-secret"]);
    assert_eq!(
        home.ok(&["obscure", "--reveal", obscured.trim()]),
        "-secret\n"
    );
}

#[test]
fn nothing_and_no_obscured_text_are_errors() {
    let home = Home::new();
    assert!(home.fails(1, &["obscure", ""]).contains("empty"));
    assert!(home.fails(1, &["obscure"]).contains("empty"));
    assert!(
        home.fails(1, &["obscure", "--reveal", "plain"])
            .starts_with("error: this is no obscured password\nhint: ")
    );
}

#[test]
fn who_obscures_is_told_that_it_is_no_encryption() {
    let output = Home::new().run(&["obscure", "x"]);
    assert!(output.stderr.contains("not encryption"), "{output:?}");
}
