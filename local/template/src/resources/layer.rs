//! `AWS::Serverless::LayerVersion`.

use crate::error::Outcome;
use crate::names;
use crate::plan::{Layer, Plan};
use crate::properties::Properties;
use crate::properties::Treatment::{Honoured, NoEffect};

pub(crate) fn add(properties: &Properties<'_>, plan: &mut Plan) -> Outcome<()> {
    properties.account(
        plan,
        &[
            ("ContentUri", Honoured),
            ("LayerName", Honoured),
            ("CompatibleArchitectures", NoEffect),
            ("CompatibleRuntimes", NoEffect),
            ("Description", NoEffect),
            ("LicenseInfo", NoEffect),
            ("PublishLambdaVersion", NoEffect),
            ("RetentionPolicy", NoEffect),
        ],
    )?;
    let content = properties.required("ContentUri")?;
    if content.starts_with("s3://") {
        return Err(
            properties.problem("ContentUri", format!("found `{content}`, expected a directory of this machine"))
        );
    }
    plan.layers.push(Layer {
        logical_id: properties.resource.to_owned(),
        arn: names::reference(properties.scope, properties.resource, 0, properties.resource)?,
        content,
    });
    Ok(())
}

/// The function's layers that are the template's, in its order; of others nothing is mounted, and a warning says so.
pub(crate) fn of_function(function: &Properties<'_>, plan: &mut Plan) -> Outcome<Vec<String>> {
    let asked = function.texts("Layers")?;
    let known = |arn: &String| plan.layers.iter().any(|layer| layer.arn == *arn);
    let (ours, others): (Vec<String>, Vec<String>) = asked.into_iter().partition(known);
    if !others.is_empty() {
        let message = format!("nothing under /opt of {}: expected layers of this template", others.join(", "));
        function.warn(plan, "Layers", &message);
    }
    Ok(ours)
}
