//! What agents may pull as versioned objects (`ResourcesPullRpcCallback`).

use async_trait::async_trait;
use neutrino_rpc::{
    Endpoint, Failure, Version, methods,
    objects::{
        Attributes, ObjectType, by_name,
        catalog::RESOURCES,
        compat::{self, Incompatible},
    },
};
use neutrino_services::{AgentVersions, Objects, objects::Filters};
use neutrino_types::Context;
use serde::Deserialize;
use serde_json::Value;

use super::endpoints::{Answer, Args, arguments};

/// Where Python finds the errors of resources.
const RESOURCES_MODULE: &str = "neutron.api.rpc.handlers.resources_rpc";
/// Where Python finds the errors of versions.
const VERSIONS_MODULE: &str = "oslo_versionedobjects.exception";

/// The endpoint of versioned objects on `q-plugin`.
pub struct ResourcesEndpoint {
    objects: Objects,
    versions: AgentVersions,
}

#[derive(Deserialize)]
struct PullArgs {
    resource_type: String,
    version: String,
    resource_id: String,
}

#[derive(Deserialize)]
struct BulkPullArgs {
    resource_type: String,
    version: String,
    #[serde(default)]
    filter_kwargs: Option<Args>,
}

/// What is pulled, and the version its asker knows.
struct Asked {
    object: &'static ObjectType,
    version: Version,
}

impl Asked {
    fn new(resource_type: &str, version: &str) -> Result<Self, Failure> {
        let object = by_name(resource_type)
            .filter(|object| RESOURCES.iter().any(|resource| resource.name == object.name))
            .ok_or_else(|| {
                let text = format!("Invalid resource type {resource_type}");
                Failure::new(RESOURCES_MODULE, "InvalidResourceTypeClass", text)
            })?;
        let version = version.parse().map_err(|e| Failure::bad_arguments("version", e))?;
        Ok(Self { object, version })
    }

    /// Whoever pulls keeps what it gets: changes from now on are pushed, also before it reports.
    fn note(&self, versions: &AgentVersions) {
        if compat::check(self.object, self.version).is_ok() {
            versions.pulled(self.object, self.version);
        }
    }

    fn encode(&self, attributes: &Attributes) -> Answer {
        self.object.encode_for(attributes, self.version).map_err(|error| {
            let class = match &error {
                Incompatible::Newer(_) => "InvalidTargetVersion",
                Incompatible::TooOld { .. } => "IncompatibleObjectVersion",
            };
            Failure::new(VERSIONS_MODULE, class, error.to_string())
        })
    }
}

impl ResourcesEndpoint {
    /// Serves `objects`; who pulls them hears of changes, as `versions` says.
    #[must_use]
    pub fn new(objects: Objects, versions: AgentVersions) -> Self {
        Self { objects, versions }
    }

    /// One object; null when it is not there.
    async fn pull(&self, args: PullArgs) -> Answer {
        let asked = Asked::new(&args.resource_type, &args.version)?;
        asked.note(&self.versions);
        // Trunks and subports are named by their port.
        let key = asked.object.fields().find(|f| f.name == "id").map_or("port_id", |f| f.name);
        let mut kwargs = Args::new();
        kwargs.insert(key.to_string(), args.resource_id.into());
        let found = self.objects.find(asked.object, &Filters::from_kwargs(kwargs)).await?;
        found.first().map_or(Ok(Value::Null), |attributes| asked.encode(attributes))
    }

    async fn bulk_pull(&self, args: BulkPullArgs) -> Answer {
        let asked = Asked::new(&args.resource_type, &args.version)?;
        asked.note(&self.versions);
        let filters = Filters::from_kwargs(args.filter_kwargs.unwrap_or_default());
        let found = self.objects.find(asked.object, &filters).await?;
        found.iter().map(|attributes| asked.encode(attributes)).collect()
    }
}

#[async_trait]
impl Endpoint for ResourcesEndpoint {
    fn version(&self) -> Version {
        methods::RESOURCES_VERSION.parse().unwrap_or(Version::DEFAULT)
    }

    fn methods(&self) -> &'static [&'static str] {
        &[methods::PULL.name, methods::BULK_PULL.name]
    }

    async fn call(&self, _: &Context, method: &str, args: Args) -> Answer {
        let m = method;
        if m == methods::PULL.name {
            self.pull(arguments(m, args)?).await
        } else if m == methods::BULK_PULL.name {
            self.bulk_pull(arguments(m, args)?).await
        } else {
            Err(Failure::no_such_method(m))
        }
    }
}
