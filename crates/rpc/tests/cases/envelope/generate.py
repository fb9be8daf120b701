"""Writes what oslo.messaging really puts on the wire; run with oslo.messaging installed."""
import datetime, json, sys, uuid
from oslo_messaging._drivers import common, amqp
from oslo_messaging import exceptions
from oslo_messaging.rpc import dispatcher
from oslo_context import context as octx
out = {}
ctx = octx.RequestContext(user_id='u1', project_id='p1', is_admin=True, roles=['admin','member'], request_id='req-5d3a0fb0-1e7a-4d3a-9b37-000000000001', overwrite=False)
d = ctx.to_dict()
d.update({'user_id':'u1','project_id':'p1','timestamp':'2026-11-21 03:00:00.000001','project_name':'demo','user_name':'alice','has_global_access':True,'can_set_project_id':True})
def req(method, args, version=None, namespace=None, call=None):
    msg = {'method': method, 'args': args}
    if namespace: msg['namespace']=namespace
    if version: msg['version']=version
    amqp.pack_context(msg, d)
    msg['_unique_id']='0123456789abcdef0123456789abcdef'
    if call:
        msg['_msg_id']=call; msg['_reply_q']='reply_0011'; msg['_timeout']=None
    return json.dumps(common.serialize_msg(msg))
out['cast_port_update'] = req('port_update', {'port': {'id':'x','name':'café ☃ \U0001F600'}, 'network_type':'vxlan','segmentation_id':77,'physical_network':None}, '1.0')
out['call_get_device_details'] = req('get_device_details', {'device':'tap1','agent_id':'ovs-agent-h','host':'h'}, '1.9', call='aa'*16)
out['call_namespace'] = req('update_trunk_status', {'trunk_id':'t','status':'ACTIVE'}, '1.0', namespace='trunk', call='bb'*16)
out['cast_no_version'] = req('ping', {'when': datetime.datetime(2026,1,2,3,4,5,6).isoformat(), 's':[1,2]})
def failure(exc):
    try: raise exc
    except Exception: return common.serialize_remote_exception(sys.exc_info())
def reply(result=None, fail=None, ending=True):
    msg={'result':result,'failure':fail}
    msg['ending']=ending
    msg['_msg_id']='aa'*16
    msg['_unique_id']='fedcba9876543210fedcba9876543210'
    return json.dumps(common.serialize_msg(msg))
out['reply_result']=reply({'device':'tap1'})
out['reply_null']=reply(None)
out['reply_heartbeat']=reply(None, ending=False)
def strip(f):  # tracebacks name the machine's own folders
    j=json.loads(f); j['tb']=[l.split('File ')[0] if 'File ' in l else l for l in j['tb']]; return json.dumps(j)
out['reply_value_error']=reply(fail=strip(failure(ValueError('bad thing'))))
out['reply_no_such_method']=reply(fail=strip(failure(dispatcher.NoSuchMethod('frob'))))
out['reply_unsupported_version']=reply(fail=strip(failure(dispatcher.UnsupportedVersion('9.9', method='frob'))))
class NetworkNotFound(Exception):
    def __init__(self, **kw): self.kwargs=kw; super().__init__('Network %(net_id)s could not be found.' % kw)
NetworkNotFound.__module__='neutron_lib.exceptions'
out['reply_network_not_found']=reply(fail=strip(failure(NetworkNotFound(net_id='n1'))))
json.dump(out, open(sys.argv[1],'w'), indent=1)
