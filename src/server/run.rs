//! The process: what its arguments ask for, and the code it exits with
//! (spec/cli-and-config.md §2).

use std::process::ExitCode;

use check::{Form, Profile, Report, Rooted};
use config::host_check::{CheckForm, CheckRequest};
use config::signal::{ProcFs, SignalRequest};
use config::{Command, Exit, Options, from_args};
use security::Directory;

use crate::bootstrap::{self, StartError};
use crate::control::End;
use crate::tls::Listeners;

/// Does what the command line says and returns the process's exit code.
pub fn run() -> ExitCode {
    let environment = |name: &str| std::env::var(name).ok();
    let command = match from_args(std::env::args_os(), &environment) {
        Ok(command) => command,
        Err(exit) => return leave(&exit),
    };
    match command {
        Command::Signal(request) => match send(&request) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => leave(&Exit::failed(text)),
        },
        Command::Top(arguments) => ExitCode::from(top::run(&arguments)),
        Command::Explain(arguments) => ExitCode::from(top::explain(&arguments)),
        Command::Store(arguments) => ExitCode::from(store::run(&arguments)),
        Command::Check(request) => look_at_host(&request),
        Command::Test { options, valid } => match look_behind(&options) {
            Ok(()) => leave(&valid),
            Err(text) => leave(&Exit::failed(text)),
        },
        Command::Run { options, warnings, launch } => {
            for warning in warnings {
                eprintln!("{warning}");
            }
            match bootstrap::serve(*options, launch) {
                Ok(End::Orderly) => ExitCode::SUCCESS,
                Ok(End::Failed) | Err(StartError::Logged) => ExitCode::FAILURE,
                Err(StartError::BeforeLog(text)) => leave(&Exit::failed(text)),
            }
        }
    }
}

/// Looks at what a configuration names, as a start does: the files of TLS, users and accounts, and
/// what accounts import from each other.
fn look_behind(options: &Options) -> Result<(), String> {
    Listeners::new(options, None).map_err(|error| error.to_string())?;
    Directory::new(options, None).map_err(|error| error.to_string())?;
    Ok(())
}

fn leave(exit: &Exit) -> ExitCode {
    print!("{}", exit.stdout);
    eprint!("{}", exit.stderr);
    ExitCode::from(exit.code as u8)
}

/// Prints what the host offers; fails when the profile's needs are not met.
fn look_at_host(request: &CheckRequest) -> ExitCode {
    let form = match request.form {
        CheckForm::Table => Form::Table,
        CheckForm::Json => Form::Json,
    };
    let report = Report::of(&Rooted::this(), &request.profile, Profile::from(request));
    let code = i32::from(!report.met);
    leave(&Exit { code, stdout: report.show(form), stderr: String::new() })
}

fn send(request: &SignalRequest) -> Result<(), String> {
    let pids = request.resolve(&ProcFs).map_err(|error| error.to_string())?;
    for pid in pids {
        runtime::host::send_signal(pid.0, request.signal.number())
            .map_err(|error| format!("unable to send signal to pid {}: {error}", pid.0))?;
    }
    Ok(())
}
