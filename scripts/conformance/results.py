"""results.py SELECTED OUT < subunit stream: `STATUS id :: reason` per test to OUT, counts to standard output.

What happened to a class as a whole (set-up failed or skipped) happened to each of its tests.
"""
import re
import sys

import subunit
import testtools

_, selected, out = sys.argv
STATUS = {'success': 'PASS', 'skip': 'SKIP', 'fail': 'FAIL', 'xfail': 'PASS'}
with open(selected) as f:
    result = {re.sub(r'\[.*', '', line.strip()): ('FAIL', 'did not run') for line in f if line.strip()}


def on_test(test):
    status = STATUS.get(test['status'], 'FAIL')
    details = {k: v.as_text().strip() for k, v in test['details'].items() if 'traceback' in k or k == 'reason'}
    reason = (list(details.values()) or [''])[-1].splitlines()[-1:] if status != 'PASS' else []
    fixture = re.match(r'setUpClass \((.*)\)$', test['id'])
    name = re.sub(r'\[.*', '', test['id'])
    for known in result:
        if known == name or fixture and known.startswith(fixture.group(1) + '.'):
            result[known] = (status, ' '.join(reason))


stream = testtools.StreamToDict(on_test)
stream.startTestRun()
subunit.ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name='stdout').run(stream)
stream.stopTestRun()
with open(out, 'w') as f:
    for name, (status, reason) in sorted(result.items()):
        f.write('%s %s%s\n' % (status, name, ' :: ' + reason if reason else ''))
count = {s: sum(1 for status, _ in result.values() if status == s) for s in ('PASS', 'FAIL', 'SKIP')}
print('%(PASS)d passed, %(FAIL)d failed, %(SKIP)d skipped' % count)
