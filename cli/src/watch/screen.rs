//! The terminal: what is drawn on it, the keys that it gives, and that it is given back as it was.

use super::look::Looker;
use crate::failure::{Failure, failed};
use crate::plane::interrupted;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::DefaultTerminal;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use weir_aws::clock;
use weir_view::watch::{Key, Look, Then, Watch};

/// How long the reader of keys waits before it looks whether it is still wanted.
const KEY_WAIT: Duration = Duration::from_millis(100);
/// The clock on the screen.
const DRAW_INTERVAL: Duration = Duration::from_secs(1);
/// Keys that wait to be done; more than anybody types between two drawings.
const KEYS_WAITING_MAX: usize = 64;

/// The terminal, in raw mode and on its second screen, until this is dropped. A panic gives it back, too: `try_init` sees
/// to that.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> Result<Self, Failure> {
        ratatui::try_init().map(Self).map_err(|error| failed("the terminal", &error))
    }

    fn draw(&mut self, watch: &Watch) -> Result<(), Failure> {
        let drawn = self.0.draw(|frame| watch.draw(frame, clock::now()));
        drawn.map(|_| ()).map_err(|error| failed("the terminal", &error))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// What a terminal tells.
enum Told {
    Key(Key),
    /// It has another size.
    Resized,
}

/// Until `q`, Ctrl-C or SIGTERM.
pub(super) async fn show(looker: Looker, mut view: Watch, interval: Duration) -> Result<ExitCode, Failure> {
    let mut screen = Screen::open()?;
    let mut keys = keys();
    let mut ticks = tokio::time::interval(DRAW_INTERVAL);
    let ended = interrupted();
    tokio::pin!(ended);
    let (shown, wanted) = watch::channel(None);
    // One look at a time; keys are heard while it is under way.
    let mut looking = tokio::spawn(look(looker, wanted, Duration::ZERO));
    loop {
        screen.draw(&view)?;
        tokio::select! {
            () = &mut ended => return Ok(ExitCode::SUCCESS),
            _ = ticks.tick() => {}
            told = keys.recv() => match told {
                None => return Err(Failure::Failed("cannot read keys from the terminal any more".to_owned())),
                Some(Told::Resized) => {}
                Some(Told::Key(key)) => match view.key(key) {
                    Then::Quit => return Ok(ExitCode::SUCCESS),
                    Then::Look => drop(shown.send_replace(view.service().map(str::to_owned))),
                    Then::Draw => {}
                },
            },
            looked = &mut looking => {
                let (looker, wanted, found) = looked.map_err(|error| Failure::Failed(error.to_string()))?;
                match found {
                    Ok(found) if !view.is_paused() => view.found(found, clock::now()),
                    Err(failure) => view.failed(failure.to_string()),
                    Ok(_) => {}
                }
                looking = tokio::spawn(look(looker, wanted, interval));
            }
        }
    }
}

/// Whose endpoints are shown.
type Wanted = watch::Receiver<Option<String>>;

/// A look after that pause, or at once where others are wanted meanwhile.
async fn look(mut looker: Looker, mut wanted: Wanted, pause: Duration) -> (Looker, Wanted, Result<Look, Failure>) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        _ = wanted.changed() => {}
    }
    let service = wanted.borrow_and_update().clone();
    let found = looker.look(service.as_deref(), clock::now()).await;
    (looker, wanted, found)
}

/// Keys and sizes as they come. The thread ends when the receiver is dropped or the terminal is gone.
fn keys() -> mpsc::Receiver<Told> {
    let (sender, receiver) = mpsc::channel(KEYS_WAITING_MAX);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            let told =
                match event::poll(KEY_WAIT).and_then(|there| if there { event::read().map(Some) } else { Ok(None) }) {
                    Ok(Some(event)) => told(&event),
                    Ok(None) => None,
                    Err(_) => return,
                };
            if let Some(told) = told
                && sender.blocking_send(told).is_err()
            {
                return;
            }
        }
    });
    receiver
}

fn told(event: &Event) -> Option<Told> {
    match event {
        Event::Resize(..) => Some(Told::Resized),
        Event::Key(key) if key.kind == KeyEventKind::Press => {
            // Raw: Ctrl-C is a key and no signal.
            let ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            let meant = match key.code {
                _ if ctrl_c => Key::Quit,
                KeyCode::Char('q') => Key::Quit,
                KeyCode::Char('p' | ' ') => Key::Pause,
                KeyCode::Up | KeyCode::Char('k') => Key::Up,
                KeyCode::Down | KeyCode::Char('j') => Key::Down,
                KeyCode::Home | KeyCode::Char('g') => Key::First,
                KeyCode::End | KeyCode::Char('G') => Key::Last,
                KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => Key::Open,
                KeyCode::Esc | KeyCode::Left | KeyCode::Backspace | KeyCode::Char('h') => Key::Back,
                _ => return None,
            };
            Some(Told::Key(meant))
        }
        _ => None,
    }
}
