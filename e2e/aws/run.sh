#!/usr/bin/env bash
# The AWS CLI, in the cache folder: run.sh ARGUMENTS OF aws
set -euo pipefail

venv=$("$(dirname "$0")/../python-program" awscli 1.46.3)
exec "$venv/bin/aws" "$@"
