//! What RPC needs of the core plugin, and how ML2 gives it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use neutrino_ml2::Ml2Plugin;
use neutrino_rpc::shapes::{
    DeviceListUpdate, DevicesDetails, TunnelEndpoint,
    security_groups::{SecuredDevice, SecurityGroupInfo},
};
use neutrino_types::{ApiResult, Attrs, Context};

/// The device functions of the core plugin that L2 agents call.
#[async_trait]
pub trait L2Plugin: Send + Sync {
    /// Details of `devices` for the agent on `host`; ports become BUILD.
    async fn devices_details(
        &self,
        ctx: &Context,
        host: Option<&str>,
        devices: &[String],
    ) -> ApiResult<DevicesDetails>;

    /// `up` are wired on `host`, `down` are gone from it. `refresh_tunnels` asks for all
    /// forwarding entries of the networks of `up`.
    async fn update_device_list(
        &self,
        ctx: &Context,
        host: Option<&str>,
        up: &[String],
        down: &[String],
        refresh_tunnels: bool,
    ) -> ApiResult<DeviceListUpdate>;

    /// Records the tunnel endpoint of `host`; answers every endpoint of the type.
    async fn tunnel_sync(
        &self,
        ctx: &Context,
        tunnel_ip: &str,
        tunnel_type: &str,
        host: Option<&str>,
    ) -> ApiResult<Vec<TunnelEndpoint>>;

    /// A network as the API shows it.
    async fn network(&self, ctx: &Context, network_id: &str) -> ApiResult<Attrs>;

    /// Ports of a VNIC type bound to `host`, as the API shows them.
    async fn ports_by_vnic_type_and_host(
        &self,
        ctx: &Context,
        vnic_type: &str,
        host: &str,
    ) -> ApiResult<Vec<Attrs>>;

    /// Rules of the groups of `devices`, and the members of the remote groups they name.
    async fn security_group_info(
        &self,
        ctx: &Context,
        devices: &[String],
    ) -> ApiResult<SecurityGroupInfo>;

    /// Rules of `devices`, remote groups replaced by their members.
    async fn security_group_rules(
        &self,
        ctx: &Context,
        devices: &[String],
    ) -> ApiResult<BTreeMap<String, SecuredDevice>>;

    /// The agent on `host` was dead and reports again: ports whose binding failed meanwhile are
    /// tried again.
    async fn agent_revived(&self, ctx: &Context, host: &str) -> ApiResult<()>;
}

#[async_trait]
impl L2Plugin for Ml2Plugin {
    async fn devices_details(
        &self,
        ctx: &Context,
        host: Option<&str>,
        devices: &[String],
    ) -> ApiResult<DevicesDetails> {
        self.devices_details(ctx, host, devices).await
    }

    async fn update_device_list(
        &self,
        ctx: &Context,
        host: Option<&str>,
        up: &[String],
        down: &[String],
        refresh_tunnels: bool,
    ) -> ApiResult<DeviceListUpdate> {
        self.update_device_list(ctx, host, up, down, refresh_tunnels).await
    }

    async fn tunnel_sync(
        &self,
        ctx: &Context,
        tunnel_ip: &str,
        tunnel_type: &str,
        host: Option<&str>,
    ) -> ApiResult<Vec<TunnelEndpoint>> {
        self.tunnel_sync(ctx, tunnel_ip, tunnel_type, host).await
    }

    async fn network(&self, ctx: &Context, network_id: &str) -> ApiResult<Attrs> {
        self.network(ctx, network_id).await
    }

    async fn ports_by_vnic_type_and_host(
        &self,
        ctx: &Context,
        vnic_type: &str,
        host: &str,
    ) -> ApiResult<Vec<Attrs>> {
        self.ports_by_vnic_type_and_host(ctx, vnic_type, host).await
    }

    async fn security_group_info(
        &self,
        ctx: &Context,
        devices: &[String],
    ) -> ApiResult<SecurityGroupInfo> {
        self.security_group_info(ctx, devices).await
    }

    async fn security_group_rules(
        &self,
        ctx: &Context,
        devices: &[String],
    ) -> ApiResult<BTreeMap<String, SecuredDevice>> {
        self.security_group_rules(ctx, devices).await
    }

    async fn agent_revived(&self, ctx: &Context, host: &str) -> ApiResult<()> {
        let bound = self.agent_revived(ctx, host).await?;
        if bound > 0 {
            tracing::info!(host, ports = bound, "ports bound after their agent came back");
        }
        Ok(())
    }
}
