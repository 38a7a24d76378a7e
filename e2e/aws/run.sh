#!/usr/bin/env bash
# The AWS CLI, in the cache folder: run.sh ARGUMENTS OF aws
set -euo pipefail

version=1.46.3
cache="${XDG_CACHE_HOME:-$HOME/.cache}/storage-element"
venv="$cache/awscli-$version"

mkdir -p "$cache"
(
  flock 9
  if [ ! -e "$venv/ready" ]; then
    rm -rf "$venv"
    if ! python3 -m venv "$venv"; then
      echo "python3 with its module venv is needed. Install it (Debian: apt-get install python3-venv) and repeat." >&2
      exit 1
    fi
    "$venv/bin/pip" install --quiet --disable-pip-version-check "awscli==$version"
    touch "$venv/ready"
  fi
) 9>"$cache/awscli.lock"

exec "$venv/bin/aws" "$@"
