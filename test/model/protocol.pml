/*
 * The watch protocol as a small model for spin: one log, two servers' feeds, one agent with a mirror of two groups. What it
 * leaves out, and what it stands for in the code, is in README.md beside it.
 *
 * A commit has a number of its own: it is the tag of its place, and all that the commit's state is, is kept under it. The
 * log is the line of commits that ends at `head`. Every step prints what it is, so that a run can be done again on the code.
 */
#ifndef COMMITS
#define COMMITS 4
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef PROMOTIONS
#define PROMOTIONS 1
#endif
#ifndef TRIMS
#define TRIMS 1
#endif
/* how many changes a feed remembers */
#define TAIL 2
#define ROOM 6
#define NONE 255
#define NOWHERE 2

typedef Commit {
  byte pos;
  byte a; /* the group that is always in scope: which commit changed it last */
  byte b; /* the group that comes and goes */
  bit scoped; /* whether it is in scope */
  byte line[COMMITS + 1]; /* the commit at each position up to this one */
};
Commit c[COMMITS + 1];
byte commits, head, first;
byte faults, promotions, trims;

/* Each feed: the last commit it has read, and the first position that it remembers. */
byte memory[2] = NONE;
byte tail[2];

/* The connection: to which server, and whether that server has answered, and has ended it. */
byte server = NOWHERE;
bit answered, closed;
/* What the agent asked with: its place and the digests of its groups. */
byte askedPlace, askedA, askedB;
/* As far as the stream has been told. */
byte told;

mtype = { deltas, groups, groupA, groupB, synced, batch };
#define CHANGES_A 1
#define CHANGES_B 2
#define ENTERS 4
#define LEAVES 8
#define IN_SCOPE 16
#define OLD 128
/* kind, from, to (or at), what it carries */
chan wire = [ROOM] of { mtype, byte, byte, byte };

/* The session, the mirror, and the mirror's last state on disk. */
mtype = { waiting, connecting, catchingUp, filling, live };
mtype session = waiting;
typedef Mirror {
  byte place = NONE;
  byte a = NONE;
  byte b = NONE;
};
Mirror mirror, disk;
byte fillAt, received;
/* The newest place in this life of the agent. */
byte seen;

/* scratch, always zero between steps */
byte s, from, to, what, i, n;
mtype kind;
bit ok;

#define AT(p, x) (c[x].line[c[p].pos])
#ifdef TAG_IGNORED
#define SAME(x, y) (c[x].pos == c[y].pos)
#define ON_LINE(p, x) (c[p].pos <= c[x].pos)
#else
#define SAME(x, y) (x == y)
#define ON_LINE(p, x) (c[p].pos <= c[x].pos && AT(p, x) == p)
#endif
#define REALLY_ON_LINE(p, x) (c[p].pos <= c[x].pos && AT(p, x) == p)

#ifdef LINEAGE_IGNORED
#define LOG_HOLDS(p) (c[p].pos <= c[head].pos)
#else
#define LOG_HOLDS(p) (c[p].pos >= first && ON_LINE(p, head))
#endif
#ifdef TAIL_IGNORED
#define REMEMBERED(p) ON_LINE(p, memory[s])
#else
#define REMEMBERED(p) (c[p].pos >= tail[s] && ON_LINE(p, memory[s]))
#endif
/* Hinted in what the feed has read or remembers, after the place p: the last change of a group tells. */
#define HINTED(change, p) (c[change].pos > c[p].pos)
#define FRESH(p) (c[p].pos > c[memory[s]].pos && ON_LINE(p, head))
#define IS_AHEAD (askedPlace != NONE && c[askedPlace].pos > c[head].pos)

/* A mirror with a place is exactly the state of that place. */
#define EXACT(m) (m.place == NONE || (m.a == c[m.place].a && \
  ((c[m.place].scoped && m.b == c[m.place].b) || (!c[m.place].scoped && m.b == NONE))))

inline clear() { s = 0; from = 0; to = 0; what = 0; i = 0; n = 0; kind = 0; ok = 0 }

/* What an ended connection left on its way: lost, or (OLD_FRAMES) still to come, and known by the connection's number. */
inline leaveBehind() {
  n = len(wire);
  i = 0;
  do
  :: i < n -> wire?kind,from,to,what; i++;
#ifdef OLD_FRAMES
    wire!kind,from,to,what | OLD
#endif
  :: else -> break
  od
}

inline disconnect() {
  session = waiting; server = NOWHERE; answered = 0; closed = 0;
  askedPlace = 0; askedA = 0; askedB = 0; told = 0; fillAt = 0; received = 0;
  leaveBehind();
}

inline commit(changesA, changesB, toggles) {
  commits++;
  n = commits;
  c[n].pos = c[head].pos + 1;
  c[n].a = (changesA -> n : c[head].a);
  c[n].b = (changesB -> n : c[head].b);
  c[n].scoped = (toggles -> 1 - c[head].scoped : c[head].scoped);
  i = 0;
  do
  :: i < c[n].pos -> c[n].line[i] = c[head].line[i]; i++
  :: else -> break
  od;
  c[n].line[c[n].pos] = n;
  head = n;
}

#define AT_LEAST(x, y) ((x) > (y) -> (x) : (y))
#define TAIL_FROM(h) (c[h].pos >= TAIL -> c[h].pos - TAIL + 1 : 0)

/* One cycle of the feed of server s: one state of log and rows is read, and all are told. `gaveUp`: on a place ahead. */
inline cycle(gaveUp) {
  if
  :: memory[s] == NONE -> memory[s] = head; tail[s] = AT_LEAST(first, TAIL_FROM(head))
  :: else
  fi;
  if
  :: !LOG_HOLDS(memory[s]) ->
    memory[s] = NONE; tail[s] = 0;
    if
    :: server == s && answered -> closed = 1; told = 0
    :: else
    fi
  :: else ->
    if
    :: server == s && answered && !closed && memory[s] != head ->
      what = (HINTED(c[head].a, memory[s]) -> CHANGES_A : 0);
      what = what | (c[head].scoped && !c[memory[s]].scoped -> ENTERS : 0);
      what = what | (!c[head].scoped && c[memory[s]].scoped -> LEAVES : 0);
      what = what | (c[head].scoped && c[memory[s]].scoped && HINTED(c[head].b, memory[s]) -> CHANGES_B : 0);
      wire!batch,told,head,what;
      told = head
    :: server == s && !answered && !closed && (!IS_AHEAD || gaveUp) -> answer(gaveUp)
    :: else
    fi;
    memory[s] = head;
    tail[s] = AT_LEAST(tail[s], TAIL_FROM(head))
  fi
}

inline answer(gaveUp) {
  answered = 1;
  if
  :: askedPlace != NONE && !gaveUp && (FRESH(askedPlace) || REMEMBERED(askedPlace)) ->
    what = (HINTED(c[head].a, askedPlace) && c[c[head].a].pos >= tail[s] -> CHANGES_A : 0);
    what = what | (c[head].scoped && askedB == NONE -> ENTERS : 0);
    what = what | (!c[head].scoped && askedB != NONE -> LEAVES : 0);
    what = what | (c[head].scoped && askedB != NONE && HINTED(c[head].b, askedPlace) && c[c[head].b].pos >= tail[s]
      -> CHANGES_B : 0);
    wire!deltas,0,0,0;
    wire!batch,askedPlace,head,what
  :: else ->
    what = (c[head].scoped -> IN_SCOPE : 0);
    wire!groups,0,0,0;
    if
    :: askedA != c[head].a -> wire!groupA,0,head,0; what = what | CHANGES_A
    :: else
    fi;
    if
    :: c[head].scoped && askedB != c[head].b -> wire!groupB,0,head,0; what = what | CHANGES_B
    :: else
    fi;
    wire!synced,0,head,what
  fi;
  told = head
}

/* What the mirror takes or refuses, after the session let it through. */
inline apply() {
  if
  :: kind == deltas -> ok = (mirror.place != NONE); session = catchingUp
  :: kind == groups -> fillAt = NONE; received = 0; session = filling
  :: kind == groupA || kind == groupB ->
    ok = (fillAt == NONE || SAME(fillAt, to));
    if
    :: ok && kind == groupA -> mirror.a = c[to].a; received = received | CHANGES_A
    :: ok && kind == groupB -> mirror.b = c[to].b; received = received | CHANGES_B
    :: else
    fi;
    if
    :: ok -> fillAt = to; mirror.place = NONE
    :: else
    fi
  :: kind == synced ->
    ok = (fillAt == NONE || SAME(fillAt, to));
#ifndef SENT_IGNORED
    ok = ok && (received & what & (CHANGES_A | CHANGES_B)) == (what & (CHANGES_A | CHANGES_B));
#endif
    ok = ok && mirror.a != NONE && (!(what & IN_SCOPE) || mirror.b != NONE);
    if
    :: ok ->
      mirror.b = (what & IN_SCOPE -> mirror.b : NONE);
      mirror.place = to; session = live; fillAt = 0; received = 0
    :: else
    fi
  :: kind == batch ->
#ifdef FROM_IGNORED
    ok = (mirror.place != NONE);
#else
    ok = (mirror.place != NONE && SAME(mirror.place, from));
#endif
    ok = ok && c[to].pos >= c[from].pos && (c[to].pos != c[from].pos || SAME(from, to));
    ok = ok && (!(what & CHANGES_B) || mirror.b != NONE);
    if
    :: ok ->
      mirror.a = (what & CHANGES_A -> c[to].a : mirror.a);
      mirror.b = (what & LEAVES -> NONE : (what & (ENTERS | CHANGES_B) -> c[to].b : mirror.b));
      mirror.place = to; session = live
    :: else
    fi
  fi
}

#define EXPECTED ((session == connecting && (kind == deltas || kind == groups)) || \
  (session == catchingUp && kind == batch) || (session == live && kind == batch) || \
  (session == filling && (kind == groupA || kind == groupB || kind == synced)))

/* A place that the log still has is never followed by an older one of the same line. */
inline notBack() {
  if
  :: mirror.place != NONE ->
    assert(seen == NONE || seen == mirror.place ||
      !(REALLY_ON_LINE(mirror.place, seen) && REALLY_ON_LINE(seen, head)));
    seen = mirror.place
  :: else
  fi;
  forgetLost()
}

/* What the log has lost may be followed by anything. */
inline forgetLost() {
  if
  :: seen != NONE && !REALLY_ON_LINE(seen, head) -> seen = NONE
  :: else
  fi
}

inline deliver() {
#ifdef CONNECTION_IGNORED
  what = what & 127;
#endif
  if
  :: (what & OLD) || session == waiting
  :: else ->
    ok = 1;
    if
    :: EXPECTED -> apply()
    :: else -> ok = 0
    fi;
    if
    :: !ok -> disconnect()
    :: else
    fi
  fi;
  assert(EXACT(mirror));
  notBack()
}

inline say() {
  printf("STATE session=%e place=%d a=%d b=%d head=%d frames=%d\n",
    session, mirror.place, mirror.a, mirror.b, head, len(wire))
}

/* A feed without the agent reads ahead only while that may make a difference: before the log loses or forgets anything. */
#define MAY_LOSE (promotions < PROMOTIONS || trims < TRIMS)
#define HAS_WORK(s) (memory[s] != NONE && memory[s] != head && (server == s || MAY_LOSE))
#define IS_ASKED(s) (server == s && !answered && !closed)
/* a hello, two groups and `synced` */
#define HAS_ROOM (len(wire) <= ROOM - 4)

active proctype world() {
  d_step { c[0].scoped = 1; memory[0] = NONE; memory[1] = NONE; seen = NONE; mirror.b = NONE }
  do
  /* what users do */
  :: d_step { commits < COMMITS && c[head].scoped -> commit(0, 1, 0); printf("STEP commit change\n"); say(); clear() }
  :: d_step { commits < COMMITS -> commit(1, 0, 1); printf("STEP commit toggle\n"); say(); clear() }
  /* what the database does */
  :: d_step { promotions < PROMOTIONS && c[head].pos > first ->
      promotions++; head = c[head].line[c[head].pos - 1]; forgetLost(); printf("STEP promote 1\n"); say(); clear() }
  :: d_step { promotions < PROMOTIONS && c[head].pos > first + 1 ->
      promotions++; head = c[head].line[c[head].pos - 2]; forgetLost(); printf("STEP promote 2\n"); say(); clear() }
  :: d_step { trims < TRIMS && first < c[head].pos -> trims++; first++; printf("STEP trim %d\n", first); say(); clear() }
  :: d_step { trims < TRIMS && first + 1 < c[head].pos ->
      trims++; first = c[head].pos; printf("STEP trim %d\n", first); say(); clear() }
  /* what servers do */
  :: d_step { (HAS_WORK(0) || (IS_ASKED(0) && !IS_AHEAD)) && (HAS_ROOM || server != 0) ->
      s = 0; printf("STEP cycle 0\n"); cycle(0); say(); clear() }
  :: d_step { (HAS_WORK(1) || (IS_ASKED(1) && !IS_AHEAD)) && (HAS_ROOM || server != 1) ->
      s = 1; printf("STEP cycle 1\n"); cycle(0); say(); clear() }
  :: d_step { server != NOWHERE && IS_ASKED(server) && IS_AHEAD && HAS_ROOM &&
      (memory[server] == NONE || LOG_HOLDS(memory[server])) ->
      s = server; printf("STEP patience %d\n", s); cycle(1); say(); clear() }
  :: d_step { server != NOWHERE && answered && !closed && len(wire) == 0 && memory[server] == head &&
      (session != live || mirror.place != told) ->
      printf("STEP bookmark %d\n", server); wire!batch,told,told,0; say(); clear() }
  /* what the agent does */
  :: d_step { session == waiting ->
      session = connecting; server = 0; askedPlace = mirror.place; askedA = mirror.a; askedB = mirror.b;
      printf("STEP attach 0\n"); say(); clear() }
  :: d_step { session == waiting && (memory[0] != NONE || memory[1] != NONE) ->
      session = connecting; server = 1; askedPlace = mirror.place; askedA = mirror.a; askedB = mirror.b;
      printf("STEP attach 1\n"); say(); clear() }
  :: d_step { wire?kind,from,to,what ->
      printf("STEP deliver %e %d %d %d\n", kind, from, to, what); deliver(); say(); clear() }
  :: d_step { session != waiting && closed -> printf("STEP ended\n"); disconnect(); say(); clear() }
  :: d_step { faults < FAULTS && (disk.place != mirror.place || disk.a != mirror.a || disk.b != mirror.b) ->
      disk.place = mirror.place; disk.a = mirror.a; disk.b = mirror.b; printf("STEP flush\n"); say(); clear() }
  /* what goes wrong */
  :: d_step { faults < FAULTS && nempty(wire) ->
      faults++; wire?kind,from,to,what; printf("STEP lose %e %d %d %d\n", kind, from, to, what); say(); clear() }
  :: d_step { faults < FAULTS && nempty(wire) && nfull(wire) ->
      faults++; wire?<kind,from,to,what>; wire!kind,from,to,what;
      printf("STEP duplicate %e %d %d %d\n", kind, from, to, what); say(); clear() }
  :: d_step { faults < FAULTS && len(wire) > 1 ->
      faults++; wire?kind,from,to,what; wire!kind,from,to,what;
      printf("STEP delay %e %d %d %d\n", kind, from, to, what); say(); clear() }
  :: d_step { faults < FAULTS && session != waiting ->
      faults++; printf("STEP cut\n"); disconnect(); say(); clear() }
  :: d_step { faults < FAULTS ->
      faults++; printf("STEP crash\n"); disconnect();
      mirror.place = disk.place; mirror.a = disk.a; mirror.b = disk.b; seen = disk.place; forgetLost();
      assert(EXACT(mirror)); say(); clear() }
  :: d_step { faults < FAULTS && memory[0] != NONE ->
      faults++; memory[0] = NONE; tail[0] = 0; closed = (server == 0 -> 1 : closed); told = (closed -> 0 : told);
      printf("STEP restart 0\n"); say(); clear() }
  :: d_step { faults < FAULTS && memory[1] != NONE ->
      faults++; memory[1] = NONE; tail[1] = 0; closed = (server == 1 -> 1 : closed); told = (closed -> 0 : told);
      printf("STEP restart 1\n"); say(); clear() }
  /* nothing is left to do: then the mirror is at the head */
  :: else -> break
  od;
  assert(session == live && mirror.place == head && EXACT(mirror))
}
