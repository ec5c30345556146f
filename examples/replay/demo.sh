#!/bin/sh
# Record, move, replay, and look at the moment that the script wanted nobody to see. Used by tests/run/test_examples_replay.py.
set -e
here=$(dirname "$0")
work=${1:-$(mktemp -d)}
terrarium=${TERRARIUM:-"$here/../../terrarium"}

echo "== the script runs in a world of its own, and everything is kept"
"$terrarium" run --record "$work/evidence.trec" --bundle --report "$work/report.json" "$here/dropper.py"

echo "== elsewhere: the record alone"
mkdir -p "$work/elsewhere"
mv "$work/evidence.trec" "$work/elsewhere/"
cd "$work/elsewhere"
"$terrarium" replay evidence.trec

echo "== the moment before it removed what it had dropped"
"$terrarium" replay --until unlink#1 --files deleted evidence.trec >/dev/null
"$terrarium" replay --until vfork#1 --files before evidence.trec >/dev/null
find before -name '*.py' | while read -r f; do
    echo "-- $f"
    cat "$f"
done
