//! The template as rules see it: functions, what feeds them, and who they are.
//!
//! SAM's functions with their `Events` and CloudFormation's functions, mappings and aliases come to the same here.

use weir_local_template::{Resolved, Resource, Value};

use crate::finding::{Place, line};

mod processor;

pub(crate) use processor::{Processor, processor};

/// A resolved template.
pub(crate) struct Fleet<'a> {
    pub(crate) resources: &'a [Resource],
    pub(crate) functions: Vec<Function<'a>>,
    pub(crate) mappings: Vec<Mapping<'a>>,
}

/// A function of either kind.
pub(crate) struct Function<'a> {
    pub(crate) resource: &'a Resource,
    /// Cargo binary, where the function says one.
    pub(crate) binary: Option<&'a str>,
    /// Which of weir's processors it is.
    pub(crate) processor: Option<&'static Processor>,
    /// Whether it counts under weir's protocol: a processor, or one that says so.
    pub(crate) counts: bool,
    /// Whether its stream's records are applied behind a fence.
    pub(crate) fenced: bool,
}

/// What a mapping reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceKind {
    Kinesis,
    TableStream,
    Queue,
}

impl SourceKind {
    pub(crate) fn is_stream(self) -> bool {
        self != Self::Queue
    }
}

/// An event source mapping.
pub(crate) struct Mapping<'a> {
    /// Where it is declared: the function, or the mapping itself.
    pub(crate) resource: &'a Resource,
    /// `Events.<name>.`, or nothing.
    prefix: String,
    line: usize,
    pub(crate) kind: SourceKind,
    /// ARN of the source, where the template decides it.
    arn: Option<&'a str>,
    pub(crate) properties: &'a Value,
    /// Index of the function it feeds.
    function: Option<usize>,
    /// The text that names the function, of a mapping of its own.
    pub(crate) function_name: Option<&'a str>,
}

const FUNCTIONS: [&str; 2] = ["AWS::Serverless::Function", "AWS::Lambda::Function"];

impl<'a> Fleet<'a> {
    pub(crate) fn read(resolved: &'a Resolved) -> Self {
        let resources = resolved.resources.as_slice();
        let is_function = |resource: &&Resource| FUNCTIONS.contains(&resource.kind.as_str());
        let functions = resources.iter().filter(is_function).map(Function::read).collect();
        let mut fleet = Self { resources, functions, mappings: Vec::new() };
        let mut mappings = Vec::new();
        for resource in resources {
            match resource.kind.as_str() {
                "AWS::Serverless::Function" => mappings.extend(fleet.events(resource)),
                "AWS::Lambda::EventSourceMapping" => mappings.extend(fleet.mapping(resource)),
                _ => {}
            }
        }
        fleet.mappings = mappings;
        fleet
    }

    fn events(&self, resource: &'a Resource) -> Vec<Mapping<'a>> {
        let function = self.functions.iter().position(|function| function.resource.id == resource.id);
        let mapping = |(name, at, event): &'a (String, usize, Value)| {
            let (kind, source) = match event.get("Type").text()? {
                "Kinesis" => (SourceKind::Kinesis, "Stream"),
                "DynamoDB" => (SourceKind::TableStream, "Stream"),
                "SQS" => (SourceKind::Queue, "Queue"),
                _ => return None,
            };
            let properties = event.get("Properties");
            let arn = properties.get(source).text();
            let prefix = format!("Events.{name}.");
            Some(Mapping { resource, prefix, line: *at, kind, arn, properties, function, function_name: None })
        };
        resource.properties.get("Events").entries().iter().filter_map(mapping).collect()
    }

    fn mapping(&self, resource: &'a Resource) -> Option<Mapping<'a>> {
        let properties = &resource.properties;
        let arn = properties.get("EventSourceArn").text()?;
        let kind = match arn.split(':').nth(2)? {
            "kinesis" => SourceKind::Kinesis,
            "dynamodb" => SourceKind::TableStream,
            "sqs" => SourceKind::Queue,
            _ => return None,
        };
        let function_name = properties.get("FunctionName").text();
        let function = function_name.and_then(|name| self.function_named(name));
        let (prefix, arn) = (String::new(), Some(arn));
        Some(Mapping { resource, prefix, line: resource.line, kind, arn, properties, function, function_name })
    }

    /// The function that a name, an ARN, or a reference to one of its aliases means.
    pub(crate) fn function_named(&self, text: &str) -> Option<usize> {
        let alias = self.of_kind("AWS::Lambda::Alias").find(|alias| alias.reference.as_deref() == Some(text));
        let text = alias.and_then(|alias| alias.properties.get("FunctionName").text()).unwrap_or(text);
        let means = |resource: &Resource| {
            let starts = |name: &Option<String>| {
                name.as_deref()
                    .and_then(|name| text.strip_prefix(name))
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            };
            starts(&resource.reference) || starts(&resource.arn)
        };
        self.functions.iter().position(|function| means(function.resource))
    }

    /// Resources of a type.
    pub(crate) fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &'a Resource> + use<'a> {
        self.resources.iter().filter(move |resource| resource.kind == kind)
    }

    /// The resource that an ARN means.
    pub(crate) fn by_arn(&self, arn: &str) -> Option<&'a Resource> {
        self.resources
            .iter()
            .find(|resource| resource.arn.as_deref() == Some(arn) || resource.stream_arn.as_deref() == Some(arn))
    }

    /// The function that a mapping feeds.
    pub(crate) fn fed_by(&self, mapping: &Mapping<'_>) -> Option<&Function<'a>> {
        self.functions.get(mapping.function?)
    }

    /// Mappings with their functions, of functions that are in the template.
    pub(crate) fn fed(&self) -> impl Iterator<Item = (&Mapping<'a>, &Function<'a>)> {
        self.mappings.iter().filter_map(|mapping| Some((mapping, self.fed_by(mapping)?)))
    }
}

impl<'a> Function<'a> {
    fn read(resource: &'a Resource) -> Self {
        let binary = resource.metadata.at(&["BuildProperties", "Binary"]).text();
        let processor = binary.and_then(processor);
        let said = resource.metadata.at(&["weir-check", "fenced"]);
        let variables = resource.properties.at(&["Environment", "Variables"]);
        let counts = processor.is_some()
            || said.is_true()
            || variables.entries().iter().any(|(name, ..)| name == "WEIR_CONTRIBUTIONS_TABLE");
        let fenced = match (said.text(), processor) {
            (Some(_), _) => said.is_true(),
            (None, Some(processor)) => processor.fenced,
            (None, None) => counts,
        };
        Self { resource, binary, processor, counts, fenced }
    }

    /// Physical name, where the template decides it.
    pub(crate) fn name(&self) -> Option<&'a str> {
        self.resource.reference.as_deref()
    }

    pub(crate) fn place(&self, property: &str) -> Place {
        Place::property(self.resource, property)
    }

    /// `Timeout`, s; AWS's default is 3.
    pub(crate) fn timeout_seconds(&self) -> Option<i64> {
        or_default(self.resource.properties.get("Timeout"), 3)
    }
}

impl<'a> Mapping<'a> {
    pub(crate) fn get(&self, key: &str) -> &'a Value {
        self.properties.get(key)
    }

    /// A property of it; its line where it is spelt, the mapping's where it is absent.
    pub(crate) fn place(&self, key: &str) -> Place {
        let line = line(self.get(key)).unwrap_or(self.line);
        Place { line, resource: self.resource.id.clone(), property: format!("{}{key}", self.prefix) }
    }

    /// The source, where it is in the template.
    pub(crate) fn source(&self, fleet: &Fleet<'a>) -> Option<&'a Resource> {
        fleet.by_arn(self.arn?)
    }

    /// `MaximumBatchingWindowInSeconds`; AWS's default is none.
    pub(crate) fn window_seconds(&self) -> Option<i64> {
        or_default(self.get("MaximumBatchingWindowInSeconds"), 0)
    }

    /// `BatchSize`; AWS's default is 100 for streams and 10 for queues.
    pub(crate) fn batch_size(&self) -> Option<i64> {
        or_default(self.get("BatchSize"), if self.kind.is_stream() { 100 } else { 10 })
    }
}

/// The number, AWS's default where nothing is said, `None` where the template does not decide it.
pub(crate) fn or_default(value: &Value, default: i64) -> Option<i64> {
    if value.is_absent() { Some(default) } else { value.integer() }
}
