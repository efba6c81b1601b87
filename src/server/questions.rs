//! Questions that the control thread itself asks by a message, and their answers: each has a reply
//! subject of its own in the system account, on which the system service listens.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use tokio::sync::oneshot;

/// What was asked and not answered yet.
pub struct Questions {
    /// What all reply subjects begin with, a dot at the end.
    prefix: String,
    next: Cell<u64>,
    waiting: RefCell<HashMap<u64, oneshot::Sender<Vec<u8>>>>,
}

/// A question that waits for its answer; forgotten when it is dropped.
pub struct Question<'q> {
    questions: &'q Questions,
    number: u64,
    /// Where the answer comes.
    pub answered: oneshot::Receiver<Vec<u8>>,
}

/// Where answers to the server with this id come.
pub fn subject_of_answers(server_id: &str) -> String {
    format!("{}*", prefix(server_id))
}

fn prefix(server_id: &str) -> String {
    format!("$SYS._INBOX.{server_id}.")
}

impl Questions {
    /// Of the server with this id.
    pub fn new(server_id: &str) -> Questions {
        let prefix = prefix(server_id);
        Questions { prefix, next: Cell::new(0), waiting: RefCell::default() }
    }

    /// A new one.
    pub fn begin(&self) -> Question<'_> {
        let number = self.next.get();
        self.next.set(number + 1);
        let (answer, answered) = oneshot::channel();
        self.waiting.borrow_mut().insert(number, answer);
        Question { questions: self, number, answered }
    }

    /// Takes a message as an answer if it is one; the first counts.
    pub fn take(&self, subject: &[u8], payload: &[u8]) -> bool {
        let Some(number) = subject.strip_prefix(self.prefix.as_bytes()) else { return false };
        let number = str::from_utf8(number).ok().and_then(|number| number.parse().ok());
        let waiting = number.and_then(|number: u64| self.waiting.borrow_mut().remove(&number));
        if let Some(answer) = waiting {
            // Whoever asked may wait no longer.
            let _ = answer.send(payload.to_vec());
        }
        true
    }
}

impl Question<'_> {
    /// Where it is to be answered.
    pub fn reply(&self) -> Vec<u8> {
        format!("{}{}", self.questions.prefix, self.number).into_bytes()
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.questions.waiting.borrow_mut().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_question_once() {
        let questions = Questions::new("NID");
        let (mut first, mut second) = (questions.begin(), questions.begin());
        assert_ne!(first.reply(), second.reply());
        assert!(!questions.take(b"other", b"x"));
        assert!(questions.take(&second.reply(), b"2"));
        assert!(questions.take(&second.reply(), b"again"));
        assert!(questions.take(b"$SYS._INBOX.NID.x", b"?"), "nobody's, and no request either");
        assert_eq!(second.answered.try_recv().as_deref(), Ok(&b"2"[..]));
        assert!(first.answered.try_recv().is_err());
        let reply = first.reply();
        drop(first);
        assert!(questions.take(&reply, b"too late"));
        assert!(questions.waiting.borrow().is_empty());
    }
}
