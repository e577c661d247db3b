/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The TCP state machine as data: states, packet classes, rules, and the total
 * matrix side x state x class -> rule. The data path, the documentation and the
 * test that walks every cell expand the same list. What a rule does is written
 * in flow.h under its name.
 */
#ifndef KEYSWITCH_STATES_H
#define KEYSWITCH_STATES_H

#define KS_STATE_LIST(S) \
	S(NONE, "no connection known") \
	S(SYN_SENT, "client SYN forwarded") \
	S(SYNACKED, "server SYN-ACK forwarded") \
	S(ESTAB, "handshake completed, data inspected") \
	S(CLOSED, "both sides closed or server reset") \
	S(KILLED, "ended by keyswitch") \
	S(OUTBOUND, "opened from the protected side, not dissected") \
	S(DEAD, "tombstone, deleted within seconds")

/* A packet is of the first class that fits. */
#define KS_CLASS_LIST(C) \
	C(RST, "RST flag") \
	C(SYN, "SYN without ACK") \
	C(SYNACK, "SYN with ACK") \
	C(DATA, "payload, FIN or not") \
	C(FIN, "FIN without payload") \
	C(ACK, "anything else")

#define KS_RULE_LIST(U) \
	U(unexpected, "drop: the packet does not fit the state") \
	U(open, "H1: first SYN of a connection that policy allows") \
	U(reopen, "H1: SYN again before the handshake is complete") \
	U(pend, "H1: SYN on a live connection") \
	U(complete, "H3: ACK that completes the handshake") \
	U(accept, "E1 to E5: acknowledgement and data of the client") \
	U(client_rst, "client RST: passes; one that the server may take ends the connection") \
	U(last, "last ACK or FIN of a closed connection") \
	U(unseen, "drop; with the client's NIC alone the ACK completes the handshake") \
	U(closed, "drop: data on a closed connection") \
	U(killed, "K1: answered with a RST") \
	U(stray, "no handshake seen: adoption or drop") \
	U(synack, "H2: SYN-ACK") \
	U(live_synack, "H2: SYN-ACK on a live connection") \
	U(server_rst, "server RST: closed") \
	U(track, "S1: server acknowledgement and data") \
	U(adopt, "adoption of a running connection, by what its server acknowledges") \
	U(outbound, "connection opened from the protected side") \
	U(pass, "passes, changes nothing")

/* M(side, state, RST, SYN, SYNACK, DATA, FIN, ACK) */
#define KS_STATE_MATRIX(M) \
	M(CLIENT, NONE,     client_rst, open,       unexpected,  stray,      stray,      stray) \
	M(CLIENT, SYN_SENT, client_rst, reopen,     unexpected,  unseen,     unseen,     unseen) \
	M(CLIENT, SYNACKED, client_rst, reopen,     unexpected,  complete,   complete,   complete) \
	M(CLIENT, ESTAB,    client_rst, pend,       unexpected,  accept,     accept,     accept) \
	M(CLIENT, CLOSED,   client_rst, open,       unexpected,  closed,     last,       last) \
	M(CLIENT, KILLED,   client_rst, open,       killed,      killed,     killed,     killed) \
	M(CLIENT, OUTBOUND, outbound,   unexpected, outbound,    outbound,   outbound,   outbound) \
	M(CLIENT, DEAD,     client_rst, unexpected, unexpected,  unexpected, unexpected, unexpected) \
	M(SERVER, NONE,     pass,       outbound,   unexpected,  adopt,      pass,       adopt) \
	M(SERVER, SYN_SENT, server_rst, unexpected, synack,      pass,       pass,       pass) \
	M(SERVER, SYNACKED, server_rst, unexpected, synack,      pass,       pass,       pass) \
	M(SERVER, ESTAB,    server_rst, unexpected, live_synack, track,      track,      track) \
	M(SERVER, CLOSED,   last,       unexpected, unexpected,  last,       last,       last) \
	M(SERVER, KILLED,   last,       unexpected, unexpected,  killed,     killed,     killed) \
	M(SERVER, OUTBOUND, outbound,   outbound,   unexpected,  outbound,   outbound,   outbound) \
	M(SERVER, DEAD,     pass,       unexpected, unexpected,  pass,       pass,       pass)

#define KS_STATE_ENUM(sym, text) KS_S_##sym,
enum ks_state { KS_STATE_LIST(KS_STATE_ENUM) KS_STATES };
#undef KS_STATE_ENUM

#define KS_CLASS_ENUM(sym, text) KS_C_##sym,
enum ks_class { KS_CLASS_LIST(KS_CLASS_ENUM) KS_CLASSES };
#undef KS_CLASS_ENUM

#define KS_RULE_ENUM(sym, text) KS_U_##sym,
enum ks_rule { KS_RULE_LIST(KS_RULE_ENUM) KS_RULES };
#undef KS_RULE_ENUM

#endif
