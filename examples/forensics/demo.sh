#!/bin/sh
# Record, move, replay, and look at the moment that the script wanted nobody to see (docs/replay.md). Used by tests/run/test_examples_replay.py.
set -e
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d)}
mkdir -p "$work"
terrarium=${TERRARIUM:-"$here/../../terrarium"}

echo "== the script runs in a world of its own, and everything is kept"
"$terrarium" run --policy "$here/policy.yaml" --record "$work/evidence.trec" --bundle --report "$work/report.json" "$here/dropper.py"

echo "== elsewhere: the record alone"
mkdir -p "$work/elsewhere"
mv "$work/evidence.trec" "$work/elsewhere/"
cd "$work/elsewhere"
"$terrarium" replay evidence.trec

echo "== what it did"
"$terrarium" trace evidence.trec --filter 'call=unlink or call=execve'

echo "== who removed the file"
"$terrarium" replay --until unlink#1 --stack evidence.trec

echo "== the file, the moment before its first command"
"$terrarium" replay --until vfork#1 --files before evidence.trec
cat before/tmp/.cache.py

echo "== what was stolen"
"$terrarium" replay --until unlink#1 --files then evidence.trec
cat then/network/*/upload-*
