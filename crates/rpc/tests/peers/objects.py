"""What Neutron's own library makes of objects: JSON in, JSON out (see ../it/objects.rs)."""

import json
import logging
import sys
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

from neutron import objects
from neutron.objects import base
from oslo_versionedobjects import exception
from oslo_versionedobjects import fields

objects.register_objects()
CLASSES = base.NeutronObjectRegistry.obj_classes()


def kind(field_type):
    """A type in the words of the Rust side."""
    if isinstance(field_type, fields.Object):
        return "Object " + field_type._obj_name
    if isinstance(field_type, fields.Set):
        return "Set"
    if isinstance(field_type, fields.List):
        element = kind(field_type._element_type._type)
        return "Texts" if element == "Text" else element.replace("Object", "Objects")
    names = {
        "Boolean": "Boolean", "Integer": "Integer", "PortRange": "Integer",
        "IPVersionEnum": "Integer", "DscpMark": "Integer", "MACAddress": "Mac",
        "DictOfMiscValues": "Json",
    }
    return names.get(type(field_type).__name__, "Text")


def described(name):
    cls = CLASSES[name][0]
    known = {n: [kind(f._type), f.nullable] for n, f in cls.fields.items()}
    return {"version": cls.VERSION, "fields": known}


def plain(value):
    """A primitive without its list of changes."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k != "versioned_object.changes"}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def said_in(obj, version):
    try:
        return plain(obj.obj_to_primitive(target_version=version))
    except exception.VersionedObjectsException as error:
        return type(error).__name__


def answer(asked):
    out = {"described": {name: described(name) for name in asked["names"]}, "read": []}
    for primitive in asked["primitives"]:
        obj = base.NeutronObject.clean_obj_from_primitive(primitive)
        versions = asked["versions"][obj.obj_name()]
        out["read"].append({version: said_in(obj, version) for version in versions})
    return out


json.dump(answer(json.load(sys.stdin)), sys.stdout)
