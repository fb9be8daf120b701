//! Carries a Neutron 29 database over into ours (`neutrino db import`): reads the source and changes nothing
//! there, can be run again, and tells of every row it could not carry.
