use super::dialog::Dialog;
use super::site::Site;
use super::*;
use std::collections::VecDeque;
use std::path::Path;

/// Answers in order, and everything that was said.
#[derive(Default)]
struct Script {
    answers: VecDeque<&'static str>,
    said: String,
    hidden: Vec<String>,
}

impl Script {
    fn new(answers: &[&'static str]) -> Self {
        Self {
            answers: answers.iter().copied().collect(),
            ..Self::default()
        }
    }
}

impl Dialog for Script {
    fn say(&mut self, text: &str) -> io::Result<()> {
        self.said.push_str(text);
        Ok(())
    }

    fn ask(&mut self, prompt: &str) -> io::Result<Option<String>> {
        let answer = self.answers.pop_front();
        let shown = answer.unwrap_or("^D");
        self.said = format!(
            "{}{prompt}{shown}
",
            self.said
        );
        Ok(answer.map(str::to_owned))
    }

    fn ask_secret(&mut self, prompt: &str) -> io::Result<Option<String>> {
        self.hidden.push(prompt.to_owned());
        Ok(self.answers.pop_front().map(str::to_owned))
    }
}

fn site(dir: &Path) -> Site {
    Site::new(&Directories::of(&dir.join("config"))).unwrap()
}

fn session(dir: &Path, answers: &[&'static str]) -> String {
    let mut script = Script::new(answers);
    session::run(&site(dir), &mut script).unwrap();
    let said = script.said.replace(dir.to_str().unwrap(), "DIR");
    said.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn a_session_adds_shows_and_removes_a_backend() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store").display().to_string();
    let store: &'static str = store.leak();
    let said = session(
        dir.path(),
        &[
            "add",
            "",
            "mine",
            "1",
            store,
            "y",
            "2",
            "list",
            "show mine",
            "remove",
            "1",
            "yes",
            "l",
            "exit",
        ],
    );
    insta::assert_snapshot!(said);
    assert!(dir.path().join("store").is_dir());
}

#[test]
fn a_broken_answer_is_asked_for_again_and_the_end_of_the_input_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let file: &'static str = file.display().to_string().leak();
    let said = session(
        dir.path(),
        &[
            "frobnicate",
            "show",
            "add",
            "a/b",
            "mine",
            "tape",
            "local",
            "",
            file,
        ],
    );
    insta::assert_snapshot!(said);
    assert!(!dir.path().join("config/backends.toml").exists());
}

#[test]
fn a_secret_is_asked_for_without_echo_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(
        config.join("backends.toml"),
        "[cloud]\ntype = \"local\"\npath = \"/srv\"\napi_key = \"i0nYnsBQHmFXPIAKOwHh5zyzn8PsUeYRcUKe_tA_\"\n",
    )
    .unwrap();
    let said = session(dir.path(), &["show cloud"]);
    assert!(said.contains("api_key:  (hidden)"), "{said}");
    assert!(!said.contains("secret-key-123"), "{said}");
    let site = site(dir.path());
    let shown = site.show("cloud", true).unwrap();
    assert!(shown.to_string().contains("secret-key-123"));
    let json = site.show("cloud", false).unwrap().json().to_string();
    assert!(
        !json.contains("secret-key-123") && json.contains("\"hidden\":[\"api_key\"]"),
        "{json}"
    );
}

#[test]
fn a_choice_can_be_given_by_number_or_by_value() {
    let choices = ["8", "1465"].map(|value| crate::backend::Choice {
        value: value.into(),
        label: "Team".into(),
    });
    for (answer, expected) in [("1", "8"), ("2", "1465"), ("1465", "1465"), ("8", "8")] {
        let mut script = Script::new(&["3", answer]);
        let found = dialog::choose(&mut script, "Workspace", &choices, None, false).unwrap();
        assert_eq!(found, expected, "{answer}");
        assert!(script.said.contains("from 1 to 2"), "{}", script.said);
    }
}
