#!/bin/sh
# Reads secrets from files: for each NAME_FILE below that is set, NAME gets the file's content. Then runs the command.
set -eu
for name in PGPASSWORD PROVIDER_PIPELINE_WEBHOOK_URL PROVIDER_PIPELINE_WEBHOOK_SECRET; do
    eval "file=\${${name}_FILE:-}"
    if [ -n "$file" ]; then
        if [ ! -r "$file" ]; then
            echo "error: ${name}_FILE is $file, which user $(id -u) cannot read (make the file readable for that user)" >&2
            exit 1
        fi
        eval "$name=\$(cat \"\$file\")"
        export "${name?}"
    fi
done
exec "$@"
