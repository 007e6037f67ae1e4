#!/bin/sh
# What udhcpc calls with each event: sets the address, the routes and the MTU of a lab machine, and writes the lease to the
# file $LEASE_FILE (in /run unless it is set), one `key=value` a line. Static routes (RFC 3442) replace the router option
# where both are given.
set -u
: "${LEASE_FILE:=/run/udhcpc-$interface.lease}"
case $1 in
  deconfig)
    ip -4 address flush dev "$interface"
    ip link set "$interface" up
    rm -f "$LEASE_FILE"
    ;;
  bound | renew)
    ip -4 address replace "$ip/$mask" dev "$interface"
    [ -z "${mtu:-}" ] || ip link set "$interface" mtu "$mtu"
    if [ -n "${staticroutes:-}" ]; then
      # shellcheck disable=SC2086
      set -- $staticroutes
      while [ $# -ge 2 ]; do
        if [ "$2" = 0.0.0.0 ]; then
          ip -4 route replace "$1" dev "$interface"
        else
          ip -4 route replace "$1" via "$2" dev "$interface" onlink
        fi
        shift 2
      done
    else
      for gateway in ${router:-}; do
        ip -4 route replace default via "$gateway" dev "$interface" onlink
        break
      done
    fi
    {
      echo "ip=$ip"
      echo "mask=$mask"
      echo "mtu=${mtu:-}"
      echo "router=${router:-}"
      echo "dns=${dns:-}"
      echo "domain=${domain:-}"
      echo "staticroutes=${staticroutes:-}"
      echo "serverid=${serverid:-}"
      echo "lease=${lease:-}"
    } > "$LEASE_FILE.new"
    mv "$LEASE_FILE.new" "$LEASE_FILE"
    ;;
esac
