//! What functions find under `/opt`: their layers, where the machine lets a process have an `/opt` of its own.

use std::path::{Path, PathBuf};

use weir_local_lambda::opt_can_be_mounted;
use weir_local_template::{Function, Plan, Warning};

use crate::code::CodeStore;
use crate::error::StartError;

/// The function's layers, laid over each other; none where it has none, or where nothing can be mounted.
pub(crate) fn of(
    plan: &Plan,
    function: &Function,
    template: &Path,
    code: &CodeStore,
) -> Result<Option<PathBuf>, StartError> {
    if function.layers.is_empty() || !opt_can_be_mounted() {
        return Ok(None);
    }
    let beside = template.parent().unwrap_or(Path::new("."));
    let content =
        |arn: &String| plan.layers.iter().find(|layer| layer.arn == *arn).map(|layer| beside.join(&layer.content));
    let directories: Vec<PathBuf> = function.layers.iter().filter_map(content).collect();
    let laid = code.lay(&directories);
    laid.map(Some).map_err(|error| StartError::Layers { function: function.logical_id.clone(), directories, error })
}

/// Says of whom the layers are not there.
pub(crate) fn warn(plan: &mut Plan) {
    if opt_can_be_mounted() {
        return;
    }
    let without = plan.functions.iter().filter(|function| !function.layers.is_empty()).map(|function| Warning {
        resource: function.logical_id.clone(),
        property: "Layers".to_owned(),
        message: "nothing under /opt: this machine has none, or lets nobody without privileges mount (user namespaces)"
            .to_owned(),
    });
    plan.warnings.extend(without.collect::<Vec<_>>());
}
