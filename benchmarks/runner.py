"""Runs one process after another, each described by a line of JSON, and prints the seconds and the KiB of each.

The memory of a new process counts from that of the process that started it, so a small one has to start them all.
"""

import json
import os
import subprocess
import sys
import time

for line in sys.stdin:
    argv, environment = json.loads(line)
    start = time.perf_counter()
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    print(json.dumps([time.perf_counter() - start, usage.ru_maxrss, process.returncode]), flush=True)
