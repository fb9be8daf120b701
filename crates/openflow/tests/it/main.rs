//! Tests of the codec against recorded flows of a real Neutron host and against ovs-ofctl.

mod observed;
