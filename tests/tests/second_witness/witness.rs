//! The product's stores over an endpoint, with the tables of template.yaml.

use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use weir_aws::clients::Connection;
use weir_aws::clock;
use weir_aws::config::Environment;
use weir_aws::contributions::ContributionsTable;
use weir_aws::intake::IntakeStores;
use weir_aws::rows::RollupsTable;
use weir_exact::ports::ItemKey;
use weir_local_template::{Plan, Settings, Table};

/// What the suite works with.
pub(crate) struct Witness {
    pub(crate) contributions: ContributionsTable,
    pub(crate) rows: RollupsTable,
    /// Contributions and quarantine, as an intake processor has them.
    pub(crate) intake: IntakeStores,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) bucket: String,
    /// No other run on this endpoint has this name.
    pub(crate) run: String,
}

/// A processor's environment, as the local plane sets it.
struct At<'a> {
    endpoint_url: &'a str,
    contributions: &'a str,
    quarantine: &'a str,
}

impl Environment for At<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        let value = match name {
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "test",
            "AWS_ENDPOINT_URL" => self.endpoint_url,
            "WEIR_CONTRIBUTIONS_TABLE" => self.contributions,
            "WEIR_QUARANTINE_BUCKET" => self.quarantine,
            _ => return None,
        };
        Some(value.to_owned())
    }
}

impl Witness {
    /// Creates what is not there yet.
    pub(crate) async fn at(endpoint_url: &str) -> Self {
        let template = weir_tests::root().join("template.yaml");
        let plan = weir_local_template::read(&template, &Settings::local("weir")).expect("the fleet's template");
        let table = |logical_id: &str| {
            let table = plan.tables.iter().find(|table| table.logical_id == logical_id);
            table.unwrap_or_else(|| panic!("template.yaml has no table {logical_id}"))
        };
        let (contributions, rollups) = (table("ContributionsTable"), table("RollupsTable"));
        let bucket = quarantine(&plan);
        let environment = At { endpoint_url, contributions: &contributions.name, quarantine: &bucket };
        let connection = Connection::from_environment(&environment).expect("a whole environment");
        let dynamodb = connection.dynamodb();
        for table in [contributions, rollups] {
            create_table(&dynamodb, table).await;
        }
        let s3 = connection.s3();
        match s3.create_bucket().bucket(&bucket).send().await {
            Err(error) if !error.as_service_error().is_some_and(|error| error.is_bucket_already_owned_by_you()) => {
                panic!("{bucket}: {:?}", error.into_service_error())
            }
            _ => {}
        }
        Self {
            contributions: ContributionsTable::new(dynamodb.clone(), &contributions.name),
            rows: RollupsTable::new(dynamodb, &rollups.name),
            intake: IntakeStores::from_environment(&environment, &connection).expect("a whole environment"),
            s3,
            bucket,
            run: format!("witness-{}-{}", std::process::id(), clock::now().0),
        }
    }

    /// A key that nothing else uses.
    pub(crate) fn key(&self, what: &str, sk: &str) -> ItemKey {
        ItemKey { pk: format!("{}#{what}", self.run), sk: sk.to_owned() }
    }
}

fn quarantine(plan: &Plan) -> String {
    let bucket = plan.buckets.iter().find(|bucket| bucket.logical_id == "QuarantineBucket");
    bucket.expect("template.yaml has a QuarantineBucket").name.clone()
}

/// The table by its keys. Streams and TTL are left out: no condition depends on them.
async fn create_table(dynamodb: &aws_sdk_dynamodb::Client, table: &Table) {
    let mut request = dynamodb.create_table().table_name(&table.name).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in &table.attributes {
        let attribute = AttributeDefinition::builder().attribute_name(name);
        let attribute = attribute.attribute_type(ScalarAttributeType::from(kind.as_str())).build();
        request = request.attribute_definitions(attribute.expect("a name and a type"));
    }
    let sort = table.key.sort.iter().map(|name| (name, KeyType::Range));
    for (name, kind) in std::iter::once((&table.key.partition, KeyType::Hash)).chain(sort) {
        let element = KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        request = request.key_schema(element.expect("a name and a type"));
    }
    match request.send().await {
        Err(error) if !error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => {
            panic!("{}: {:?}", table.name, error.into_service_error())
        }
        _ => {}
    }
}
