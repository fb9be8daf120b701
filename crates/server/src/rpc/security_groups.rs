//! What agents may ask about security groups (`SecurityGroupServerRpcCallback`).

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_rpc::{Endpoint, Failure, Version, methods};
use neutrino_types::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    L2Plugin,
    endpoints::{Answer, Args, Device, answer, arguments, names},
};

/// Callers that know no newer version get members as plain addresses.
const MEMBERS_WITH_MACS: Version = Version { major: 1, minor: 3 };
/// The version of callers that do not say.
const UNSAID: Version = Version { major: 1, minor: 2 };

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    devices: Vec<Device>,
    #[serde(default)]
    call_version: Option<String>,
}

/// The security group endpoint on `q-plugin`.
pub struct SecurityGroupsEndpoint {
    plugin: Arc<dyn L2Plugin>,
}

impl SecurityGroupsEndpoint {
    /// Serves `plugin`.
    #[must_use]
    pub fn new(plugin: Arc<dyn L2Plugin>) -> Self {
        Self { plugin }
    }

    async fn info(&self, ctx: &Context, asked: Asked) -> Answer {
        let version = asked.call_version.and_then(|v| v.parse().ok()).unwrap_or(UNSAID);
        let info = self.plugin.security_group_info(ctx, &names(asked.devices)).await?;
        let mut out = answer(info)?;
        if !version.serves(MEMBERS_WITH_MACS) {
            without_macs(&mut out["sg_member_ips"]);
        }
        Ok(out)
    }
}

/// Each member `[address, MAC]` becomes its address, each address once.
fn without_macs(members: &mut Value) {
    let by_group = members.as_object_mut().into_iter().flatten();
    for (_, group) in by_group {
        for (_, list) in group.as_object_mut().into_iter().flatten() {
            let addresses = list.as_array().into_iter().flatten().map(|member| &member[0]);
            let mut plain: Vec<Value> = addresses.cloned().collect();
            // Members are sorted, so that the same address follows itself.
            plain.dedup();
            *list = json!(plain);
        }
    }
}

#[async_trait]
impl Endpoint for SecurityGroupsEndpoint {
    fn version(&self) -> Version {
        methods::SECURITY_GROUPS_VERSION.parse().unwrap_or(Version::DEFAULT)
    }

    fn methods(&self) -> &'static [&'static str] {
        &[
            methods::SECURITY_GROUP_INFO_FOR_DEVICES.name,
            methods::SECURITY_GROUP_RULES_FOR_DEVICES.name,
        ]
    }

    async fn call(&self, ctx: &Context, method: &str, args: Args) -> Answer {
        if method == methods::SECURITY_GROUP_INFO_FOR_DEVICES.name {
            self.info(ctx, arguments(method, args)?).await
        } else if method == methods::SECURITY_GROUP_RULES_FOR_DEVICES.name {
            let asked: Asked = arguments(method, args)?;
            answer(self.plugin.security_group_rules(ctx, &names(asked.devices)).await?)
        } else {
            Err(Failure::no_such_method(method))
        }
    }
}
