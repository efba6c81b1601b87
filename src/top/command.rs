//! The command line of `corewire top`, and the loop: sample, wait, sample, show.

use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::fetch::{FetchError, Server};
use crate::interval::Interval;
use crate::render;
use crate::sample::{Sample, SampleError};
use crate::screen::{Pressed, Screen};

/// Shortest pause between samples: the server's control thread writes all figures for each.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

#[derive(Debug, Parser)]
#[command(name = "corewire top", about = "Shows live what each core of a server does")]
struct Arguments {
    /// Monitoring address of the server, as given to it with -m
    #[arg(long, default_value = "http://127.0.0.1:8222", value_name = "URL")]
    server: Server,
    /// Time over which figures are taken, such as 500ms, 2s or 1m
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = interval)]
    interval: Duration,
    /// Print one interval as plain text and exit
    #[arg(long)]
    once: bool,
}

/// Why `top` ends before it is told to.
#[derive(Debug, thiserror::Error)]
enum TopError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{server} answers, but not with the metrics of a Corewire: {error}")]
    Sample { server: String, error: SampleError },
    #[error("the terminal cannot be used: {0}; --once prints plain text")]
    Terminal(std::io::Error),
    #[error("standard output cannot be written: {0}")]
    Output(std::io::Error),
}

/// Runs `corewire top` with the arguments behind `top`, and returns the process's exit code: 0,
/// 1 when the server cannot be read, 2 when the arguments are wrong.
pub fn run(arguments: &[String]) -> u8 {
    let name = std::iter::once("corewire top");
    let arguments = name.chain(arguments.iter().map(String::as_str));
    let shown = match Arguments::try_parse_from(arguments) {
        Ok(Arguments { server, interval, once: true }) => print_once(&server, interval),
        Ok(Arguments { server, interval, once: false }) => show_live(&server, interval),
        Err(error) => {
            // That the other end of a pipe is gone needs no word.
            let _ = error.print();
            return error.exit_code() as u8;
        }
    };
    match shown {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("corewire top: {error}");
            1
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let time = config::duration::parse(text)
        .map_err(|_| String::from("write a number and a unit, as in 500ms or 2s"))?;
    if time < INTERVAL_MIN {
        return Err(format!("{INTERVAL_MIN:?} at least"));
    }
    Ok(time)
}

fn print_once(server: &Server, interval: Duration) -> Result<(), TopError> {
    let earlier = sample(server)?;
    std::thread::sleep(interval);
    let later = sample(server)?;
    let table = render::table(&Interval::between(&earlier, &later));
    std::io::stdout().write_all(table.as_bytes()).map_err(TopError::Output)
}

fn show_live(server: &Server, interval: Duration) -> Result<(), TopError> {
    let mut earlier = sample(server)?;
    let mut screen = Screen::open().map_err(TopError::Terminal)?;
    let foot = format!("{server}, every {interval:?}; q quits");
    screen.draw(&foot).map_err(TopError::Terminal)?;
    let mut next = Instant::now();
    loop {
        // A fixed beat, unless the server is slower than that.
        next = (next + interval).max(Instant::now());
        if screen.wait_for_key(next).map_err(TopError::Terminal)? == Pressed::Quit {
            return Ok(());
        }
        let later = sample(server)?;
        let table = render::table(&Interval::between(&earlier, &later));
        screen.draw(&format!("{table}\n{foot}")).map_err(TopError::Terminal)?;
        earlier = later;
    }
}

fn sample(server: &Server) -> Result<Sample, TopError> {
    let text = server.metrics()?;
    Sample::read(&text, Instant::now())
        .map_err(|error| TopError::Sample { server: server.to_string(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once(&"top").chain(arguments))
    }

    #[test]
    fn defaults_and_what_is_given() {
        let Arguments { server, interval, once } = parse(&[]).expect("defaults are right");
        assert_eq!((server.to_string().as_str(), once), ("http://127.0.0.1:8222", false));
        assert_eq!(interval, Duration::from_secs(1));
        let given = parse(&["--once", "--interval", "250ms", "--server", "http://[::1]:9/x/"]);
        let Arguments { server, interval, once } = given.expect("right arguments");
        assert_eq!((server.to_string().as_str(), once), ("http://[::1]:9/x", true));
        assert_eq!(interval, Duration::from_millis(250));
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for wrong in [["--interval", "0s"], ["--interval", "soon"], ["--server", "https://a"]] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(run(&[String::from("--nonsense")]), 2);
    }
}
