//! OpenFlow 1.3 and Nicira codec, with the text form of ovs-ofctl.
