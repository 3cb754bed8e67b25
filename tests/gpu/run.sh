#!/bin/sh
# Runs affekt's checks and measurements on a GPU machine: `cargo xtask cuda-check` packs this script with the program, the
# reference tensors and the PyTorch peer. It wants sh and gzip; python3 with torch, transformers and safetensors for the peer.
#
#   ./run.sh all                everything: check, then bench of every stage
#   ./run.sh check [ARGS]       every network in f32, f16 and bf16 against its reference tensors, and against the CPU
#   ./run.sh bench [STAGE...]   wavlm, manet, llama, generate, train: affekt, PyTorch, and the limit of the card
#   ./run.sh affekt ARGS        affekt itself
#
# Results go to $OUT (default: out beside this script): check.md, check.json, bench-STAGE.md, bench-STAGE.json.
# AFFEKT_DEVICE names the device [cuda:0]; AFFEKT_PYTHON the peer's Python [python3]; AFFEKT_SCALE=tiny takes tiny networks;
# AFFEKT_BINARY another affekt.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$here
[ -d "$root/models" ] || root=$(cd "$here/../.." && pwd)
out=${OUT:-$here/out}
device=${AFFEKT_DEVICE:-cuda:0}
python=${AFFEKT_PYTHON:-python3}
scale=${AFFEKT_SCALE:-published}

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
trap 'exit 130' INT TERM

# Folders that may hold CUDA's libraries, one a line.
folders() {
    echo "${LD_LIBRARY_PATH:-}" | tr ':' '\n'
    for folder in /usr/local/cuda/lib64 /usr/local/cuda/compat /usr/local/nvidia/lib64 /usr/lib/x86_64-linux-gnu \
        /usr/lib/wsl/lib /usr/lib64; do
        echo "$folder"
    done
    # NVIDIA's wheels: nvidia/cu13/lib, or a folder for each library.
    "$python" -c '
import glob, importlib.util
found = importlib.util.find_spec("nvidia")
for place in found.submodule_search_locations if found else []:
    print(*glob.glob(place + "/*/lib"), sep="\n")
' 2>/dev/null || true
}

# The wheels of a major version that have these libraries. Those of CUDA 12 have it in their names; later ones have it as
# their version, but for cuRAND, which counts for itself: libcurand.so.10 is in CUDA 12 and 13.
wheels() {
    major=""
    for library in "$@"; do
        case $library in
        libcublas.so.* | libcublasLt.so.* | libcudart.so.* | libnvrtc.so.*) major=${library##*.so.} ;;
        esac
    done
    # What is there tells it too.
    [ -n "$major" ] || major=$(sed -n 's/^libcublas\.so\.\([0-9]*\).*/\1/p' "$here/libraries.txt" | head -n 1)
    major=${major%%.*}
    if [ "$major" = 12 ]; then
        echo "nvidia-cublas-cu12 nvidia-cuda-runtime-cu12 nvidia-curand-cu12"
    else
        major=${major:-13}
        echo "'nvidia-cublas==$major.*' 'nvidia-cuda-runtime==$major.*' nvidia-curand"
    fi
}

# Finds every library that the program wants, or names the ones that are missing.
libraries() {
    folders >"$temporary/folders"
    missing=""
    while read -r library; do
        found=""
        while read -r folder; do
            if [ -n "$folder" ] && [ -e "$folder/$library" ]; then
                found=$folder
                break
            fi
        done <"$temporary/folders"
        if [ -n "$found" ]; then
            case ":$path:" in *":$found:"*) ;; *) path="$path:$found" ;; esac
        # Where only the super-user has it on the path.
        elif ! PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | grep -qF "$library"; then
            missing="$missing $library"
        fi
    done <"$here/libraries.txt"
    if [ -n "$missing" ]; then
        echo "error: these libraries are missing:$missing" >&2
        echo "  hint: libcuda comes with NVIDIA's driver, the others with CUDA of that version, or from PyPI:" >&2
        echo "  pip install $(wheels $missing); or name their folder in LD_LIBRARY_PATH" >&2
        exit 1
    fi
}

affekt=${AFFEKT_BINARY:-}
if [ -z "$affekt" ]; then
    affekt=$temporary/affekt
    gzip -dc "$here/affekt.gz" >"$affekt"
    chmod +x "$affekt"
    path=${LD_LIBRARY_PATH:-}
    libraries
    LD_LIBRARY_PATH=${path#:}
    export LD_LIBRARY_PATH
fi

# Runs a command, shows what it says, keeps it in a file, and gives its exit code.
kept() {
    file=$1
    shift
    { "$@" && echo 0 >"$temporary/code" || echo $? >"$temporary/code"; } | tee "$file"
    return "$(cat "$temporary/code")"
}

check() {
    mkdir -p "$out"
    kept "$out/check.md" "$affekt" check --goldens "$root/models" --device "$device" --save "$out/check.json" "$@"
}

bench() {
    mkdir -p "$out"
    [ $# -gt 0 ] || set -- wavlm manet llama generate train
    peer=""
    if "$python" -c 'import safetensors, torch, transformers' 2>/dev/null; then
        peer=$python
    else
        echo "note: $python has no torch, transformers and safetensors: PyTorch's columns stay empty" >&2
    fi
    code=0
    for stage in "$@"; do
        AFFEKT_PYTHON=$peer kept "$out/bench-$stage.md" "$affekt" bench gpu --only "$stage" --device "$device" \
            --scale "$scale" --script "$root/tests/gpu/torch_peer.py" --save "$out/bench-$stage.json" || code=1
    done
    return $code
}

what=${1:-}
[ $# -eq 0 ] || shift
case $what in
check) check "$@" ;;
bench) bench "$@" ;;
affekt) "$affekt" "$@" ;;
all)
    code=0
    check || code=1
    bench || code=1
    exit $code
    ;;
*)
    sed -n '2,/^set/p' "$0" | sed '/^set/d; s/^# \{0,1\}//'
    exit 1
    ;;
esac
