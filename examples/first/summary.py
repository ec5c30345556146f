"""Reads a report as a person would: the verdict, what was denied and why, what was made."""
import json
import sys

report = json.load(open(sys.argv[1]))
print(f"\nreport:       verdict {report['verdict']}, exit {report['exit']}, "
      f"{'reproducible' if report['reproducible'] else 'NOT reproducible: ' + ', '.join(report['not_reproducible_because'])}")
for denial in report["denied"]:
    rule = denial["rule"]
    print(f"denied:       {denial['call']}  {denial['count']}x, by {rule['file']}:{rule['line']} \"{denial.get('note', '')}\"")
print("created:     ", ", ".join(report["files"]["created"]))
calls = sum(c["calls"] for c in report["calls"].values())
print(f"calls:        {calls} trapped; cpu {report['limits']['cpu']['used']:.3f} s, "
      f"memory {report['limits']['memory']['used'] / 2**20:.1f} MiB")
