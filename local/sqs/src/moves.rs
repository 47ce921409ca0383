//! Message move tasks: a dead-letter queue emptied back, in the background. They live in memory: one that a restart
//! interrupts has moved what it moved, and is started again by whoever wants the rest.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::error::{ErrorKind, SqsError};
use crate::limits::{MOVE_TASKS_MAX, MOVES_PER_SECOND_MAX};
use crate::service::{Sqs, check_range, new_id};

/// Messages moved between two looks at whether the task was cancelled, where no rate is asked for.
const MOVES_PER_TURN: usize = 100;

/// Tasks by source queue, newest first.
#[derive(Debug, Default)]
pub(crate) struct MoveTasks(HashMap<String, VecDeque<MoveTask>>);

#[derive(Debug)]
struct MoveTask {
    id: String,
    source_arn: String,
    destination_arn: Option<String>,
    per_second_max: Option<u64>,
    status: Status,
    failure: Option<&'static str>,
    moved: u64,
    to_move: u64,
    started_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Running,
    Completed,
    Cancelled,
    Failed,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }
}

impl MoveTasks {
    fn of(&mut self, source: &str, id: &str) -> Option<&mut MoveTask> {
        self.0.get_mut(source)?.iter_mut().find(|task| task.id == id)
    }

    fn push(&mut self, source: &str, task: MoveTask) {
        let tasks = self.0.entry(source.to_owned()).or_default();
        tasks.push_front(task);
        tasks.truncate(MOVE_TASKS_MAX);
    }
}

impl MoveTask {
    fn handle(&self) -> String {
        BASE64.encode(json!({ "taskId": self.id, "sourceArn": self.source_arn }).to_string())
    }

    fn listed(&self) -> Value {
        let mut entry = json!({
            "Status": self.status.name(),
            "SourceArn": self.source_arn,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "StartedTimestamp": self.started_ms,
        });
        if self.status == Status::Running {
            entry["TaskHandle"] = self.handle().into();
        }
        if let Some(arn) = &self.destination_arn {
            entry["DestinationArn"] = arn.as_str().into();
        }
        if let Some(rate) = self.per_second_max {
            entry["MaxNumberOfMessagesPerSecond"] = rate.into();
        }
        if let Some(failure) = self.failure {
            entry["FailureReason"] = failure.into();
        }
        entry
    }
}

fn no_such_resource(parameter: &str) -> SqsError {
    let message = format!("The resource that you specified for the {parameter} parameter doesn't exist.");
    SqsError::new(ErrorKind::ResourceNotFound, message)
}

/// Starts moving what is visible now, and returns the task's handle.
pub(crate) fn start(
    sqs: &Sqs,
    source_arn: &str,
    destination_arn: Option<&str>,
    per_second_max: Option<u64>,
) -> Result<String, SqsError> {
    check_range("MaxNumberOfMessagesPerSecond", per_second_max.unwrap_or(1), 1, MOVES_PER_SECOND_MAX)?;
    let source = sqs.queue_name_of_arn(source_arn).ok_or_else(|| no_such_resource("SourceArn"))?;
    let destination = match destination_arn {
        Some(arn) => Some(sqs.queue_name_of_arn(arn).ok_or_else(|| no_such_resource("DestinationArn"))?),
        None => None,
    };
    if destination.as_ref().is_some_and(|name| name.ends_with(".fifo") != source.ends_with(".fifo")) {
        return Err(SqsError::invalid("The source and the destination must be queues of the same type."));
    }
    let (to_move, started_ms) = sqs.run(|engine, now_ms| {
        if engine.dead_letter_sources(&source).is_empty() {
            return Err(SqsError::invalid("Source queue must be configured as a Dead Letter Queue."));
        }
        Ok((engine.ready(now_ms, &source)?, now_ms))
    })?;
    let task = MoveTask {
        id: new_id(),
        source_arn: source_arn.to_owned(),
        destination_arn: destination_arn.map(str::to_owned),
        per_second_max,
        status: Status::Running,
        failure: None,
        moved: 0,
        to_move,
        started_ms,
    };
    let (id, handle) = (task.id.clone(), task.handle());
    sqs.with_moves(|moves| {
        let is_running = |tasks: &VecDeque<MoveTask>| tasks.front().is_some_and(|t| t.status == Status::Running);
        if moves.0.get(&source).is_some_and(is_running) {
            return Err(SqsError::invalid(
                "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
            ));
        }
        moves.push(&source, task);
        Ok(())
    })?;
    tokio::spawn(carry_out(sqs.clone(), source, destination, id, per_second_max));
    Ok(handle)
}

async fn carry_out(sqs: Sqs, source: String, destination: Option<String>, id: String, per_second_max: Option<u64>) {
    // One message a tick at a given rate; else as fast as it goes, letting others in between.
    let (per_turn, period) = match per_second_max {
        Some(rate) => (1, Duration::from_micros(1_000_000 / rate.max(1))),
        None => (MOVES_PER_TURN, Duration::from_millis(1)),
    };
    let mut ticks = tokio::time::interval(period);
    loop {
        ticks.tick().await;
        for _ in 0..per_turn {
            let is_running =
                sqs.with_moves(|moves| moves.of(&source, &id).is_some_and(|t| t.status == Status::Running));
            if !is_running {
                return;
            }
            let step = sqs.run(|engine, now_ms| engine.redrive_one(now_ms, &source, destination.as_deref(), new_id()));
            let is_over = sqs.with_moves(|moves| {
                let Some(task) = moves.of(&source, &id) else { return true };
                match step {
                    Ok(true) => task.moved += 1,
                    Ok(false) => task.status = Status::Completed,
                    Err(error) => {
                        task.status = Status::Failed;
                        task.failure = Some(error.kind().query_code());
                    }
                }
                // Not until the source is empty: what fails again and comes back would be moved for ever.
                if task.status == Status::Running && task.moved >= task.to_move {
                    task.status = Status::Completed;
                }
                task.status != Status::Running
            });
            if is_over {
                return;
            }
        }
    }
}

/// Stops a task and says how many messages it has moved.
pub(crate) fn cancel(sqs: &Sqs, handle: &str) -> Result<u64, SqsError> {
    let invalid = || SqsError::invalid("Value for parameter TaskHandle is invalid.");
    let bytes = BASE64.decode(handle).map_err(|_| invalid())?;
    let opened: Value = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    let (Some(id), Some(arn)) = (opened["taskId"].as_str(), opened["sourceArn"].as_str()) else {
        return Err(invalid());
    };
    let source = sqs.queue_name_of_arn(arn).ok_or_else(|| no_such_resource("SourceArn"))?;
    sqs.with_moves(|moves| match moves.of(&source, id) {
        Some(task) if task.status == Status::Running => {
            task.status = Status::Cancelled;
            Ok(task.moved)
        }
        Some(_) => Err(SqsError::invalid("Only active tasks can be cancelled.")),
        None => Err(SqsError::new(ErrorKind::ResourceNotFound, "Task does not exist.")),
    })
}

/// The latest tasks of a source, newest first.
pub(crate) fn list(sqs: &Sqs, source_arn: &str, results_max: usize) -> Result<Vec<Value>, SqsError> {
    let source = sqs.queue_name_of_arn(source_arn).ok_or_else(|| no_such_resource("SourceArn"))?;
    Ok(sqs.with_moves(|moves| {
        moves
            .0
            .get(&source)
            .map_or_else(Vec::new, |tasks| tasks.iter().take(results_max).map(MoveTask::listed).collect())
    }))
}
