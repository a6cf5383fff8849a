//! A small account in memory, which answers, and fails, as told.

use super::*;
use crate::net::{Answer, Broken, Method, Net, Payload, Request};
use std::collections::VecDeque;

/// What the next request whose URL contains the text gets instead of an answer.
pub(super) enum Trick {
    Status(u16, Value),
    LostBefore,
    LostAfter,
    /// An answer, before which somebody else has deleted a file and made another.
    Meddled(&'static str, &'static str),
}

#[derive(Default)]
pub(super) struct Account {
    pub(super) rows: Vec<(Value, Vec<u8>)>,
    pub(super) next: i64,
    pub(super) tricks: VecDeque<(&'static str, Trick)>,
    pub(super) log: Vec<String>,
    pub(super) page_cap: usize,
    pub(super) ignores_range: bool,
    pub(super) ignores_case: bool,
}

#[derive(Clone, Default)]
pub(super) struct Fake(pub(super) Rc<RefCell<Account>>, pub(super) Rc<Cell<u64>>);

fn reply(status: u16, value: &Value) -> Answer<Vec<u8>> {
    Answer {
        status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: value.to_string().into_bytes(),
    }
}

impl Account {
    pub(super) fn add(&mut self, name: &str, parent: i64, folder: bool, bytes: Vec<u8>) -> Value {
        self.next += 1;
        let id = 700_000_000 + self.next;
        let row = json!({
            "id": id, "name": name, "type": if folder { "folder" } else { "file" },
            "file_size": bytes.len(), "file_name": format!("uuid-{id}"), "workspace_id": 0,
            "parent_id": if parent == 0 { Value::Null } else { parent.into() },
            "created_at": format!("2026-01-05T08:{:02}:{:02}.000000Z", self.next / 60, self.next % 60),
        });
        self.rows.push((row.clone(), bytes));
        row
    }

    pub(super) fn names(&self) -> Vec<String> {
        let names = self.rows.iter().filter(|(row, _)| row["type"] == "file");
        names
            .map(|(row, _)| row["name"].as_str().unwrap().to_owned())
            .collect()
    }

    #[expect(clippy::too_many_lines, reason = "a call of the API after the other")]
    fn answer(&mut self, url: &str, body: &[u8]) -> Answer<Vec<u8>> {
        let (path, query) = url
            .split_once("/v1/")
            .unwrap()
            .1
            .split_once('?')
            .unwrap_or((url.split_once("/v1/").unwrap().1, ""));
        let arg = |name: &str| {
            let found = query
                .split('&')
                .find_map(|pair| pair.strip_prefix(&format!("{name}=")));
            found.map(str::to_owned)
        };
        let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        if path == "cli/loggedUser" {
            return reply(200, &json!({"user": {"id": 15001}}));
        }
        if path == "drive/file-entries" {
            let parent =
                arg("folderId").map_or(Value::Null, |id| id.parse::<i64>().unwrap().into());
            let only = arg("type").is_some();
            let all: Vec<Value> = self
                .rows
                .iter()
                .map(|(row, _)| row.clone())
                .filter(|row| row["parent_id"] == parent && (!only || row["type"] == "folder"))
                .collect();
            let mut all = all;
            if arg("orderDir").is_some_and(|order| order == "desc") {
                all.reverse();
            }
            let cap = if self.page_cap == 0 {
                200
            } else {
                self.page_cap
            };
            let cap = cap.min(arg("perPage").unwrap().parse().unwrap());
            let page: usize = arg("page").unwrap().parse().unwrap();
            let last = if all.len() > page * cap {
                page + 1
            } else {
                page
            };
            let data: Vec<Value> = all.into_iter().skip((page - 1) * cap).take(cap).collect();
            return reply(
                200,
                &json!({"data": data, "current_page": page, "last_page": last, "per_page": cap}),
            );
        }
        if let Some(id) = path.strip_prefix("folders/") {
            let id: i64 = id.strip_suffix("/count").unwrap().parse().unwrap();
            let count = self.rows.iter().filter(|(row, _)| row["parent_id"] == id);
            return reply(200, &json!({"count": count.count()}));
        }
        if path == "folders" {
            let parent = json["parentId"].as_i64().unwrap_or(0);
            let name = json["name"].as_str().unwrap();
            let case = |name: &str| {
                if self.ignores_case {
                    name.to_lowercase()
                } else {
                    name.to_owned()
                }
            };
            let is_same = |other: &str| case(other) == case(name);
            let taken = self.rows.iter().any(|(row, _)| {
                row["type"] == "folder"
                    && row["name"].as_str().is_some_and(is_same)
                    && row["parent_id"].as_i64().unwrap_or(0) == parent
            });
            if taken {
                return reply(
                    422,
                    &json!({"message": "Folder with same name already exists."}),
                );
            }
            let row = self.add(name, parent, true, Vec::new());
            return reply(200, &json!({"folder": row}));
        }
        if path == "uploads" {
            let text = String::from_utf8_lossy(body).into_owned();
            let field = |name: &str| {
                let (_, rest) = text.split_once(&format!("name=\"{name}\"\r\n\r\n"))?;
                Some(rest.split("\r\n").next().unwrap().to_owned())
            };
            let (_, bytes) = text.split_once("octet-stream\r\n\r\n").unwrap();
            let bytes = bytes
                .rsplit_once("\r\n--pys3local")
                .unwrap()
                .0
                .as_bytes()
                .to_vec();
            let parent = field("parentId").map_or(0, |id| id.parse().unwrap());
            let row = self.add(&field("relativePath").unwrap(), parent, false, bytes);
            return reply(201, &json!({"fileEntry": row}));
        }
        if path == "file-entries/delete" {
            let ids: Vec<i64> = json["entryIds"]
                .as_array()
                .unwrap()
                .iter()
                .map(|id| id.as_i64().unwrap())
                .collect();
            let all = ids
                .iter()
                .all(|id| self.rows.iter().any(|(row, _)| row["id"] == *id));
            if !all {
                return reply(
                    422,
                    &json!({"message": "The selected entry ids is invalid."}),
                );
            }
            self.rows
                .retain(|(row, _)| !ids.contains(&row["id"].as_i64().unwrap()));
            return reply(200, &json!({"status": "success"}));
        }
        if path == "file-entries/duplicate" {
            let found = self
                .rows
                .iter()
                .find(|(row, _)| row["id"] == json["entryIds"][0]);
            let (row, bytes) = found.unwrap().clone();
            let (name, parent) = (row["name"].as_str().unwrap(), &json["destinationId"]);
            let made = self.add(name, parent.as_i64().unwrap(), false, bytes);
            return reply(200, &json!({"entries": [made]}));
        }
        if let Some(hash) = path.strip_prefix("file-entries/download/") {
            let found = self
                .rows
                .iter()
                .find(|(row, _)| api::hash(row["id"].as_i64().unwrap()) == hash);
            return match found {
                Some((_, bytes)) => Answer {
                    status: 200,
                    headers: vec![("content-length".into(), bytes.len().to_string())],
                    body: bytes.clone(),
                },
                None => reply(404, &json!({"message": "No query results"})),
            };
        }
        if let Some(id) = path.strip_prefix("file-entries/") {
            let id: i64 = id.parse().unwrap();
            let found = self.rows.iter_mut().find(|(row, _)| row["id"] == id);
            if let Some((row, _)) = found {
                row["description"] = json["description"].clone();
                return reply(200, &json!({"fileEntry": row}));
            }
        }
        reply(404, &json!({"message": path}))
    }
}

impl Net for Fake {
    type Body = Vec<u8>;

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Answer<Vec<u8>>, Broken> {
        let body = match request.payload {
            Payload::Empty => Vec::new(),
            Payload::Bytes(bytes) | Payload::Stream(bytes, _) => bytes,
            Payload::Form {
                head,
                body,
                size,
                tail,
                gate,
            } => {
                if body.len() as u64 != size || !gate.await {
                    return Err(Broken::GivenUp);
                }
                [head, body, tail].concat()
            }
        };
        let mut account = self.0.borrow_mut();
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
        };
        account.log.push(format!("{method} {}", request.url));
        let at = account
            .tricks
            .iter()
            .position(|(part, _)| request.url.contains(part));
        let trick = at
            .and_then(|at| account.tricks.remove(at))
            .map(|(_, trick)| trick);
        match trick {
            Some(Trick::Status(status, value)) => Ok(reply(status, &value)),
            Some(Trick::LostBefore) => Err(Broken::Lost("reset".into())),
            Some(Trick::LostAfter) => {
                account.answer(&request.url, &body);
                Err(Broken::Lost("reset".into()))
            }
            trick => {
                if let Some(Trick::Meddled(gone, new)) = trick {
                    let at = account.rows.iter().position(|(row, _)| row["name"] == gone);
                    let (row, _) = account.rows.remove(at.unwrap());
                    let parent = row["parent_id"].as_i64().unwrap();
                    account.add(new, parent, false, Vec::new());
                }
                let answer = account.answer(&request.url, &body);
                let range = request.headers.iter().find(|(name, _)| *name == "range");
                let range = range.filter(|_| !account.ignores_range && answer.status == 200);
                let Some((_, range)) = range else {
                    return Ok(answer);
                };
                let (from, to) = range
                    .strip_prefix("bytes=")
                    .unwrap()
                    .split_once('-')
                    .unwrap();
                let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                let size = answer.body.len();
                Ok(Answer {
                    status: 206,
                    headers: vec![("content-range".into(), format!("bytes {from}-{to}/{size}"))],
                    body: answer.body[from..=to.min(size - 1)].to_vec(),
                })
            }
        }
    }

    async fn read(&self, body: Vec<u8>, _limit: usize) -> Result<Vec<u8>, Broken> {
        Ok(body)
    }

    fn skip(&self, body: Vec<u8>, count: u64) -> Vec<u8> {
        body[usize::try_from(count).unwrap()..].to_vec()
    }

    async fn sleep(&self, millis: u64) {
        self.1.set(self.1.get() + millis);
    }

    fn now(&self) -> u64 {
        self.1.get()
    }

    fn random(&self) -> u64 {
        7
    }

    fn warn(&self, _text: &str) {}
}
