/**
 * What other hands do to nftables and to routes inside namespaces. `nft monitor` hears its own namespace only; the kernel
 * tells a netlink socket of all (NETLINK_LISTEN_ALL_NSID, netlink(7)) that have a number in its own, as those have that a
 * link of it leads into. Perl opens one: of what Debian calls essential, it alone can. Where there is no perl, nothing is
 * told.
 */
import { type HostEvent, ROUTE_PROTOCOL } from '../host.ts';

/** Tables that are not ours may change all the time. */
export const TABLE_PREFIX = 'deuteron_';
/** Families as nfgenmsg has them (linux/netfilter.h). */
const FAMILIES: Readonly<Record<string, string>> = {
  ...{ 1: 'inet', 2: 'ip', 3: 'arp', 5: 'netdev', 7: 'bridge', 10: 'ip6' },
};

/**
 * Prints a line for each change, by whom it was made: the sender's number is its process's, as long as it opens one socket
 * of the kind. All of a transaction is one line. Ends with its standard input, which is ours.
 */
const PROGRAM = String.raw`
use strict;
my ($prefix, $protocol) = @ARGV;
$| = 1;
sub follow {
  my ($kind, $groups) = @_;
  socket(my $socket, 16, 3, $kind) or exit 3;       # AF_NETLINK, SOCK_RAW
  setsockopt($socket, 270, 8, pack 'i', 1) or exit 3;   # SOL_NETLINK, NETLINK_LISTEN_ALL_NSID
  setsockopt($socket, 1, 33, pack 'i', 1 << 20);        # SOL_SOCKET, SO_RCVBUFFORCE
  bind($socket, pack 'SSLL', 16, 0, 0, $groups) or exit 3;
  return $socket;
}
my $tables = follow(12, 1 << 6);   # NETLINK_NETFILTER, NFNLGRP_NFTABLES
my $routes = follow(0, 0x440);     # NETLINK_ROUTE, RTMGRP_IPV4_ROUTE and RTMGRP_IPV6_ROUTE
print "listening\n";
my $last = '';
while (1) {
  my $ready = '';
  vec($ready, fileno $_, 1) = 1 for \*STDIN, $tables, $routes;
  next unless select($ready, undef, undef, undef) > 0;
  exit 0 if vec($ready, fileno STDIN, 1);
  for my $socket ($tables, $routes) {
    next unless vec($ready, fileno $socket, 1);
    my $all;
    if (!defined recv($socket, $all, 1 << 18, 0)) { print "lost\n"; next; }
    while (length $all >= 16) {
      my ($length, $type, $flags, $by) = unpack 'L S S x4 L', $all;   # nlmsghdr
      last if $length < 16;
      my $body = substr $all, 16, $length - 16;
      $length = ($length + 3) & ~3;
      $all = $length < length $all ? substr($all, $length) : '';
      my $line;
      if ($socket == $routes) {
        my $of = length $body > 5 ? unpack('x5 C', $body) : 0;   # rtmsg
        # The kernel's own (2) by a hand, not with an address; or one set by hand (3) in the place of another (NLM_F_REPLACE).
        $line = "$by route" if $of == $protocol || $by && ($of == 2 || $of == 3 && $flags & 0x100);
      } elsif (length $body > 8) {
        # nfgenmsg, then attributes: the first of all that is in a table is the table's name.
        my ($family, $size, $kind) = unpack 'C x3 S S', $body;
        my $name = ($kind & 0x3fff) == 1 ? unpack('Z*', substr $body, 8, $size - 4) : '';
        $line = "$by table $family $name" if index($name, $prefix) == 0;
        $last = '' if ($type & 255) == 15;   # NFT_MSG_NEWGEN: the transaction's end
      }
      next if !defined $line || $line eq $last;
      $last = $line;
      print "$line\n";
    }
  }
}`;

/** To be run with its standard input open; says `OTHER_HANDS_LISTEN` once nothing is missed any more. */
export const OTHER_HANDS: readonly string[] = ['perl', '-e', PROGRAM, TABLE_PREFIX, String(ROUTE_PROTOCOL)];
export const OTHER_HANDS_LISTEN = 'listening';

/** A line of its; null: of our own hand, or nothing. `isOwn`: whether this process started the program of that number. */
export function otherHandsEvent(line: string, isOwn: (pid: number) => boolean): HostEvent | null {
  if (line === 'lost') return { type: 'inside', what: 'unknown' };
  const [by = '', kind, family = '', name = ''] = line.split(' ');
  if (!/^\d+$/.test(by) || isOwn(Number(by))) return null;
  if (kind === 'route') return { type: 'inside', what: 'route' };
  if (kind !== 'table' || FAMILIES[family] === undefined) return null;
  return { type: 'inside', what: `${FAMILIES[family]} ${name}` };
}
