#!/bin/sh
# The image's one entry: `entrypoint.sh web|runner|worker [ARGUMENT …]`, anything else goes to manage.py.
#   web     brings the database up to date, then serves with SERVER=daphne|uvicorn on HOST:PORT
#   runner  takes queued batches
#   worker  reads pages for runners on other machines (Celery)
set -eu
cd "$(dirname "$0")/.."
role=${1:-web}
[ $# -eq 0 ] || shift
host=${HOST:-0.0.0.0}
port=${PORT:-8000}
server=${SERVER:-daphne}

case $role in
  web)
    python manage.py migrate --verbosity 0
    case $server in
      daphne)
        # By -b and -p no more than 50 connections may wait: viewers who all come back at once would be turned away.
        interface=$(printf %s "$host" | tr -d '[]' | sed 's/:/\\:/g')
        exec daphne -e "tcp:port=$port:interface=$interface:backlog=2048" "$@" omr_project.asgi:application
        ;;
      uvicorn) exec uvicorn --host "$host" --port "$port" --log-level warning "$@" omr_project.asgi:application ;;
      *)
        echo "SERVER is '$server'; expected daphne or uvicorn" >&2
        exit 2
        ;;
    esac
    ;;
  runner) exec python manage.py process_batch --watch "$@" ;;
  worker) exec celery --app omr_project.celery worker --prefetch-multiplier 1 --loglevel warning "$@" ;;
  *) exec python manage.py "$role" "$@" ;;
esac
