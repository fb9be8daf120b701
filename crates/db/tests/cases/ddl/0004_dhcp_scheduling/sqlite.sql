CREATE TABLE "networkdhcpagentbindings" (
    "network_id" varchar(36) NOT NULL,
    "dhcp_agent_id" varchar(36) NOT NULL,
    "binding_index" integer NOT NULL,
    PRIMARY KEY ("network_id", "dhcp_agent_id"),
    FOREIGN KEY ("network_id") REFERENCES "networks" ("id") ON DELETE CASCADE,
    FOREIGN KEY ("dhcp_agent_id") REFERENCES "agents" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "ix_networkdhcpagentbindings_network_id_binding_index" ON "networkdhcpagentbindings" ("network_id", "binding_index");
CREATE INDEX "ix_networkdhcpagentbindings_dhcp_agent_id" ON "networkdhcpagentbindings" ("dhcp_agent_id");
