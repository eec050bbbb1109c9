/** The text of --help. */

export const HELP_TEXT = `Understudy: a Redis replica.

Usage: understudy [/path/to/redis.conf] [options]
       understudy - [options]
       understudy check [--json] FILE...
       understudy -h | --help
       understudy -v | --version

The file has the syntax of redis.conf; - reads it from standard input (also as the
last argument). Every directive of redis.conf can be given as an option,
--name value ..., and is then read as if it stood at the end of the file.

check reads RDB files of Redis and Valkey without loading them, says what they hold
or what is wrong at which byte, and ends with 1 if one of them is bad.

Examples:
       understudy --port 7777 --replicaof 127.0.0.1 6379
       understudy /etc/redis/6379.conf
       understudy /etc/redis/6379.conf --loglevel verbose --save ""
       echo 'replicaof 127.0.0.1 6379' | understudy --port 7777 -

Where to listen:
  --port 6379                       0: no TCP port
  --bind 127.0.0.1 ::1              a - before an address: it may be missing
  --unixsocket PATH                 with --unixsocketperm 700
  --protected-mode yes|no           without a password, answer this machine only
  --requirepass PASSWORD
  --maxclients 10000                --timeout SECONDS, --tcp-keepalive SECONDS

What to follow:
  --replicaof HOST PORT             also: no one
  --masterauth PASSWORD             with --masteruser NAME for an ACL user
  --tls-replication yes             with --tls-ca-cert-file, --tls-cert-file, --tls-key-file
  --repl-timeout 60                 seconds without a sign of life
  --repl-backlog-size 1mb           history kept for a partial resynchronization
  --repl-stream-log yes|no          log of the applied stream beside the snapshot, so
                                    that kill -9 costs a partial resynchronization
  --repl-diskless-load disabled|on-empty-db|swapdb|flush-before-load
  --full-resync-policy always|same-history|never|ask
  --refuse-empty-primary yes|no     keep the data when the primary comes back without any
  --replica-serve-stale-data yes|no answer while the link is down
  --replica-read-only yes|no
  --upstream-command psync NAME     a command that the primary has renamed

Files:
  --dir PATH                        with --dbfilename dump.rdb
  --save SECONDS CHANGES            "" for no snapshots
  --databases 16

Log:
  --loglevel debug|verbose|notice|warning
  --logfile PATH                    "" for standard output
  --pidfile PATH

A directive that Redis 7 knows and that has no effect here is accepted with a
warning; an unknown one is refused. CONFIG GET * lists all of them.
`
