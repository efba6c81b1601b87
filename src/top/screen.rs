//! The terminal: a screen of its own, drawn over and over, and the key that quits.
//!
//! Whatever way the program takes out, dropping the [`Screen`] leaves the terminal as it was. Keys
//! come one at a time and are not shown; Ctrl-C is a key like `q`, so that it takes the same way,
//! and so do the signals that end a program.

use std::io::{Stdin, Stdout, Write, stdin, stdout};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const CLEAR_LINE_END: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
/// What Ctrl-C and Ctrl-D type.
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;

/// What a program is told to end by: `kill`, and a terminal that is gone.
const ENDS: [i32; 3] = [SIGTERM, SIGINT, SIGHUP];

/// What the keyboard said within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// A key that quits, the keyboard is gone, or a signal says so.
    Quit,
    /// Nothing that means anything.
    Nothing,
}

/// The terminal, taken over.
pub struct Screen {
    before: Termios,
    keys: Stdin,
    /// Has something to read once a signal came.
    signals: UnixStream,
    out: Stdout,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// When standard input or output is no terminal.
    pub fn open() -> std::io::Result<Screen> {
        let (keys, out) = (stdin(), stdout());
        tcgetwinsize(&out)?;
        let (signals, noted) = UnixStream::pair()?;
        for signal in ENDS {
            signal_hook::low_level::pipe::register(signal, noted.try_clone()?)?;
        }
        let before = tcgetattr(&keys)?;
        let mut now = before.clone();
        now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        now.special_codes[SpecialCodeIndex::VMIN] = 1;
        now.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&keys, OptionalActions::Flush, &now)?;
        let mut screen = Screen { before, keys, signals, out };
        screen.write(ENTER)?;
        Ok(screen)
    }

    /// Shows `text` instead of what is there; what does not fit is cut off.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, text: &str) -> std::io::Result<()> {
        let size = tcgetwinsize(&self.out)?;
        let picture = picture(text, size.ws_row.into(), size.ws_col.into());
        self.write(&picture)
    }

    /// Waits for a key, until `deadline` at most.
    ///
    /// # Errors
    /// When the keyboard cannot be waited for.
    pub fn wait_for_key(&mut self, deadline: Instant) -> std::io::Result<Pressed> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut waited =
                [PollFd::new(&self.keys, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
            match poll(&mut waited, Some(&left)) {
                Ok(0) => return Ok(Pressed::Nothing),
                Ok(_) => {}
                // A change of the window's size; it is asked for when drawing.
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let [keys, signals] = waited.map(|waited| !waited.revents().is_empty());
            if signals {
                return Ok(Pressed::Quit);
            }
            if !keys {
                continue;
            }
            let mut typed = [0; 64];
            let len = match rustix::io::read(&self.keys, &mut typed) {
                Err(Errno::INTR) => continue,
                read => read?,
            };
            if quits(&typed[..len]) {
                return Ok(Pressed::Quit);
            }
        }
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = self.write(LEAVE);
        let _ = tcsetattr(&self.keys, OptionalActions::Flush, &self.before);
    }
}

/// Whether what was typed means to quit; nothing typed is the end of the keyboard.
fn quits(typed: &[u8]) -> bool {
    typed.is_empty() || typed.iter().any(|key| matches!(key, b'q' | b'Q' | &CTRL_C | &CTRL_D))
}

/// What to write so that a screen of this size shows `text`.
fn picture(text: &str, rows: usize, columns: usize) -> String {
    let mut picture = String::from(HOME);
    for (number, line) in text.lines().take(rows).enumerate() {
        if number > 0 {
            picture.push_str("\r\n");
        }
        picture.extend(line.chars().take(columns));
        picture.push_str(CLEAR_LINE_END);
    }
    picture.push_str(CLEAR_BELOW);
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fits_its_screen() {
        let shown = picture("abc\nüxyz\nlast\n", 2, 3);
        assert_eq!(shown, "\x1b[Habc\x1b[K\r\nüxy\x1b[K\x1b[J");
    }

    #[test]
    fn q_and_ctrl_c_quit_and_other_keys_do_not() {
        assert!(quits(b"q") && quits(b"xQ") && quits(&[CTRL_C]) && quits(b""));
        assert!(!quits(b"x\x1b[A"));
    }
}
