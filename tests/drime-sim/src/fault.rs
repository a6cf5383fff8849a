//! Scripts of what goes wrong.

use crate::log::Origin;
use http::Method;
use std::collections::VecDeque;
use std::str::FromStr;
use std::time::Duration;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing unusual.
    Pass,
    /// This status instead of doing anything.
    Status(u16),
    /// The request is performed, and this status is the answer.
    StatusAfter(u16),
    /// The connection is closed before anything is done.
    ResetBefore,
    /// The request is performed, and the connection closed without an answer.
    ResetAfter,
    /// The request is performed later.
    Delay(Duration),
    /// Status 200 with a page for people, instead of doing anything.
    Html,
}

/// Steps for the requests of one kind, in the order of their arrival. Behind the last step,
/// requests are served as usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// To which origin.
    pub origin: Origin,
    /// `None` for all methods.
    pub method: Option<Method>,
    /// The start of the path, without `/api/v1`.
    pub path: String,
    /// What happens.
    pub steps: VecDeque<Step>,
    /// Begin again behind the last step.
    pub cycle: bool,
}

impl Script {
    /// Steps for API requests with this method and path.
    pub fn api(method: Method, path: &str, steps: &[Step]) -> Self {
        Self {
            origin: Origin::Api,
            method: Some(method),
            path: path.to_owned(),
            steps: steps.iter().copied().collect(),
            cycle: false,
        }
    }

    /// Steps for storage requests with this method.
    pub fn storage(method: Method, steps: &[Step]) -> Self {
        Self {
            origin: Origin::Storage,
            ..Self::api(method, "/", steps)
        }
    }

    /// Begins again behind the last step.
    #[must_use]
    pub fn cycling(self) -> Self {
        Self {
            cycle: true,
            ..self
        }
    }

    fn matches(&self, origin: Origin, method: &Method, path: &str) -> bool {
        self.origin == origin
            && self.method.as_ref().is_none_or(|wanted| wanted == method)
            && path.starts_with(&self.path)
    }
}

/// The step of the first script that has one for this request; it is used up.
pub(crate) fn next(scripts: &mut [Script], origin: Origin, method: &Method, path: &str) -> Step {
    for script in scripts {
        if script.matches(origin, method, path)
            && let Some(step) = script.steps.pop_front()
        {
            if script.cycle {
                script.steps.push_back(step);
            }
            return step;
        }
    }
    Step::Pass
}

/// `[storage:]METHOD PATH=STEP,STEP…[*]`, with `*` for any method, and for beginning again.
impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (origin, rest) = match text.strip_prefix("storage:") {
            Some(rest) => (Origin::Storage, rest),
            None => (Origin::Api, text),
        };
        let (method, rest) = rest.split_once(' ').ok_or("no space behind the method")?;
        let (path, steps) = rest.split_once('=').ok_or("no = behind the path")?;
        let method = match method {
            "*" => None,
            name => Some(name.parse().map_err(|_| format!("no method: {name}"))?),
        };
        let (steps, cycle) = match steps.strip_suffix('*') {
            Some(steps) => (steps, true),
            None => (steps, false),
        };
        Ok(Self {
            origin,
            method,
            path: path.to_owned(),
            steps: steps.split(',').map(str::parse).collect::<Result<_, _>>()?,
            cycle,
        })
    }
}

/// `pass`, `503`, `after-503`, `reset-before`, `reset-after`, `delay-MS`, `html`.
impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            let status = digits.parse().ok().filter(|n| (200..600).contains(n));
            status.ok_or_else(|| format!("no step: {text}"))
        };
        match text {
            "pass" => Ok(Self::Pass),
            "reset-before" => Ok(Self::ResetBefore),
            "reset-after" => Ok(Self::ResetAfter),
            "html" => Ok(Self::Html),
            _ => {
                if let Some(digits) = text.strip_prefix("after-") {
                    Ok(Self::StatusAfter(number(digits)?))
                } else if let Some(digits) = text.strip_prefix("delay-") {
                    let ms = digits.parse().map_err(|_| format!("no delay: {text}"))?;
                    Ok(Self::Delay(Duration::from_millis(ms)))
                } else {
                    Ok(Self::Status(number(text)?))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_from_one_line() {
        let script: Script = "POST /uploads=500,after-502,reset-after,pass,delay-20*"
            .parse()
            .unwrap();
        let steps = [
            Step::Status(500),
            Step::StatusAfter(502),
            Step::ResetAfter,
            Step::Pass,
            Step::Delay(Duration::from_millis(20)),
        ];
        assert_eq!(
            script,
            Script::api(Method::POST, "/uploads", &steps).cycling()
        );
        let script: Script = "storage:PUT /=503".parse().unwrap();
        assert_eq!(script, Script::storage(Method::PUT, &[Step::Status(503)]));
        for bad in ["", "POST", "POST /x", "POST /x=9", "POST /x=often"] {
            assert!(bad.parse::<Script>().is_err(), "{bad}");
        }
    }

    #[test]
    fn steps_are_used_up_in_order_unless_they_cycle() {
        let steps = [Step::Status(500), Step::Pass, Step::Html];
        let mut scripts = [Script::api(Method::GET, "/drive", &steps)];
        let mut ask = |path| next(&mut scripts, Origin::Api, &Method::GET, path);
        assert_eq!(ask("/drive/file-entries"), Step::Status(500));
        assert_eq!(ask("/folders"), Step::Pass);
        assert_eq!(ask("/drive/file-entries"), Step::Pass);
        assert_eq!(ask("/drive/file-entries"), Step::Html);
        assert_eq!(ask("/drive/file-entries"), Step::Pass);
    }
}
