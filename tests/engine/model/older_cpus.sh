#!/usr/bin/env bash
# Runs the kernels' tests as CPUs without AVX-512, VNNI and bf16 would, through QEMU's user mode emulation.
# Usage: older_cpus.sh PYTHON [PYTEST ARGUMENTS]; the CPUs are in CPUS.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
python=$1
shift
if ! command -v qemu-x86_64 >/dev/null; then
   [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "install qemu-user first: sudo apt-get install qemu-user"; exit 1; }
   apt-get update -qq && apt-get install -y -qq --no-install-recommends qemu-user >/dev/null
fi
# A virtual environment's interpreter is a link; QEMU runs the program itself, which then must be told its packages.
packages=$("$python" -c 'import site; print(site.getsitepackages()[0])')
program=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
[ $# -gt 0 ] || set -- tests/engine/model/test_quantize.py tests/engine/model/test_kernel_choice.py
cd "$root"
for cpu in ${CPUS:-Haswell Nehalem}; do
   echo "as $cpu:"
   PYTHONPATH="$packages:$root" qemu-x86_64 -cpu "$cpu" "$program" -m pytest -q -p no:cacheprovider "$@" \
      2> >(grep -v "TCG doesn't support requested feature" >&2)
done
