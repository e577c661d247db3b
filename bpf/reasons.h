/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every way out of the data path: R(symbol, effect, kind, sentence). The enum
 * below, the CLI's texts and the documentation come from this list alone.
 * effect: what happens to the packet in enforce mode. PASS lets it through,
 *   DROP stops it (fail closed), TX answers it on its own NIC. Where a connection
 *   is ended, DROP becomes `kill`: the packet goes on as a RST. The action column of
 *   the counters says what was done; in monitor mode that is always `pass`.
 * kind: the event it raises; 0 = counted only.
 */
#ifndef KEYSWITCH_REASONS_H
#define KEYSWITCH_REASONS_H

#define KS_REASON_LIST(R) \
	/* let through */ \
	R(ok, PASS, 0, "request allowed by policy") \
	R(reply, PASS, 0, "data from the server of a tracked connection") \
	R(handshake, PASS, 0, "TCP handshake of a tracked connection") \
	R(ack, PASS, 0, "acknowledgement or keepalive without new data") \
	R(close, PASS, 0, "FIN or RST of a tracked connection") \
	R(retransmit, PASS, 0, "retransmission equal to what was judged") \
	R(carried, PASS, 0, "part of a message whose last byte is still to come") \
	R(assembled, PASS, 0, "message put together from pieces that came before") \
	R(adopted, PASS, KS_EV_FLOW, "running connection adopted without its handshake") \
	R(adopting, PASS, 0, "running connection: the server is asked where its stream stands") \
	R(resync, PASS, 0, "monitor: packet passed while the stream position is unknown") \
	R(ethertype_pass, PASS, 0, "non-IP frame on the pass list") \
	R(group_management, PASS, 0, "IGMP or MLD with Router Alert") \
	R(not_asset, PASS, 0, "IP traffic to an address that is no asset") \
	R(other_allowed, PASS, 0, "IP traffic to an asset outside its protocol ports") \
	R(unlisted_allowed, PASS, 0, "OT port at an address that is no asset, allowed by 'unlisted'") \
	R(outbound, PASS, 0, "connection opened from the protected side") \
	R(from_server, PASS, 0, "traffic from the protected side outside tracked connections") \
	/* of events about requests alone: their packets are counted as `ok` */ \
	R(marked, PASS, KS_EV_ALERT, "request marked by an alert rule") \
	R(logged, PASS, KS_EV_ALLOW, "request allowed by a rule that tells of it") \
	R(local, PASS, 0, "traffic to the gateway's own address") \
	R(neighbour_discovery, PASS, 0, "IPv6 neighbour discovery of this link") \
	R(conduit, PASS, 0, "of a connection through a conduit, from the side that opened it") \
	R(conduit_reply, PASS, 0, "of a connection through a conduit, from the other side") \
	R(icmp_error, PASS, 0, "ICMP error about a known connection") \
	R(io_data, PASS, 0, "implicit I/O from the target of a known connection") \
	/* frame and packet sanity (G0) */ \
	R(frame_short, DROP, KS_EV_PACKET, "frame ends inside a header") \
	R(vlan_depth, DROP, KS_EV_PACKET, "more than two VLAN tags") \
	R(ethertype_denied, DROP, KS_EV_PACKET, "non-IP frame not on the pass list") \
	R(ip_header, DROP, KS_EV_PACKET, "IP header malformed") \
	R(ip_length, DROP, KS_EV_PACKET, "IP total length larger than the frame or too small") \
	R(ip_options, DROP, KS_EV_PACKET, "IPv4 options") \
	R(ipv6_extension, DROP, KS_EV_PACKET, "IPv6 extension header") \
	R(fragment, DROP, KS_EV_PACKET, "IP fragment of an OT port") \
	R(tunnel, DROP, KS_EV_PACKET, "encapsulated traffic toward an asset") \
	R(spoofed, DROP, KS_EV_PACKET, "source address of the other side") \
	R(host_mac, DROP, KS_EV_PACKET, "host's address from another MAC than it is bound to") \
	R(host_vlan, DROP, KS_EV_PACKET, "host's address from another VLAN than it is bound to") \
	R(zone_unknown, DROP, KS_EV_PACKET, "address in no zone") \
	R(zone_fragment, DROP, KS_EV_PACKET, "IP fragment between zones") \
	R(conduit_none, DROP, KS_EV_PACKET, "no conduit lists this between the two zones") \
	R(conduit_no_flow, DROP, KS_EV_PACKET, "TCP of no connection that was opened through a conduit") \
	R(conduit_changed, DROP, KS_EV_PACKET, "policy no longer has a conduit for this connection") \
	R(conduit_full, DROP, KS_EV_PACKET, "table of connections through conduits full") \
	R(conduit_quota, DROP, KS_EV_PACKET, "client has too many connections through conduits") \
	R(icmp_unknown, DROP, KS_EV_PACKET, "ICMP error about no known connection") \
	R(tcp_header, DROP, KS_EV_PACKET, "TCP or UDP header malformed") \
	R(tcp_flags, DROP, KS_EV_PACKET, "TCP flags that no stack sends") \
	R(tcp_urgent, DROP, KS_EV_PACKET, "TCP urgent data") \
	R(tcp_option, DROP, KS_EV_PACKET, "TCP option that changes the stream (MD5, AO, malformed list)") \
	R(mptcp, DROP, KS_EV_PACKET, "Multipath TCP option after the handshake") \
	R(other_denied, DROP, KS_EV_PACKET, "IP traffic to an asset outside its protocol ports, denied by 'other'") \
	R(unlisted, DROP, KS_EV_PACKET, "OT port at an address that is no asset") \
	R(outbound_denied, DROP, KS_EV_PACKET, "connection opened from the protected side, denied by 'outbound'") \
	/* TCP connection (H, E, S rules) */ \
	R(pair_denied, DROP, KS_EV_FLOW, "policy allows this client no request to this asset") \
	R(policy_changed, DROP, KS_EV_FLOW, "policy no longer allows this client any request to this asset") \
	R(table_full, DROP, KS_EV_FLOW, "flow table full") \
	R(table_reserved, DROP, KS_EV_FLOW, "flow table nearly full, the rest is kept for clients known before") \
	R(ring_full, DROP, KS_EV_FLOW, "no free stream ring") \
	R(client_quota, DROP, KS_EV_FLOW, "client has too many connections") \
	R(half_open_quota, DROP, KS_EV_FLOW, "client has too many half-open connections") \
	R(state_unexpected, DROP, KS_EV_STREAM, "packet does not fit the connection's state") \
	R(no_state, DROP, KS_EV_STREAM, "data of a connection whose handshake was not seen") \
	R(syn_payload, DROP, KS_EV_STREAM, "SYN with data") \
	R(syn_conflict, DROP, KS_EV_STREAM, "SYN with another sequence number while one is pending") \
	R(syn_pending, DROP, 0, "data waits while a SYN on this live connection is unanswered") \
	R(handshake_ack, DROP, KS_EV_STREAM, "handshake not completed with the exact numbers") \
	R(ack_range, DROP, KS_EV_STREAM, "acknowledgement of bytes never sent or long gone") \
	R(seq_range, DROP, KS_EV_STREAM, "sequence number outside the connection") \
	R(out_of_order, DROP, 0, "ahead of the stream; TCP sends it again in order") \
	R(window_full, DROP, 0, "more unacknowledged data than the ring holds") \
	R(busy, DROP, 0, "another CPU is judging this connection") \
	R(commit_conflict, DROP, 0, "connection changed while its data was judged") \
	R(retransmit_mismatch, DROP, KS_EV_STREAM, "retransmission with other bytes") \
	R(flow_killed, TX, 0, "connection was killed: answered with a RST") \
	R(flow_abi, TX, KS_EV_FLOW, "connection's state was made by another version: ended") \
	R(adopt_reset, TX, KS_EV_FLOW, "running connection without its handshake: ended ('adopt: reset')") \
	R(flow_closed, DROP, 0, "data on a closed connection") \
	R(wrong_port, DROP, KS_EV_STREAM, "connection seen on another pair of ports") \
	R(split_held, DROP, 0, "message cut over segments, held until it comes whole") \
	R(split_kept, TX, 0, "part of a message, kept and acknowledged until the rest comes") \
	R(split_unfinished, DROP, KS_EV_STREAM, "connection closed by its client inside a message: ended") \
	R(split_small, DROP, KS_EV_STREAM, "pieces of a message too small to be put together: ended") \
	R(checksum_bad, DROP, 0, "TCP checksum wrong where bytes would be acknowledged") \
	R(reply_awaited, DROP, 0, "'framing: single': the request before has not been answered") \
	R(message_long, DROP, KS_EV_STREAM, "message longer than keyswitch inspects") \
	/* messages */ \
	R(policy_deny, DROP, KS_EV_DENY, "request denied by policy") \
	R(rate_limited, DROP, KS_EV_DENY, "request allowed by a rule, above its rate") \
	R(malformed, DROP, KS_EV_DENY, "message malformed") \
	R(length_mismatch, DROP, KS_EV_DENY, "message length does not equal the length its function implies") \
	R(function_opaque, DROP, KS_EV_DENY, "function code without a length rule, not listed as opaque") \
	R(unit_unlisted, DROP, KS_EV_DENY, "unit id that the asset does not list") \
	R(encap_malformed, DROP, KS_EV_DENY, "EtherNet/IP encapsulation or CPF malformed") \
	R(cip_malformed, DROP, KS_EV_DENY, "CIP request malformed") \
	R(epath_malformed, DROP, KS_EV_DENY, "EPATH malformed or with a reserved format") \
	R(epath_ambiguous, DROP, KS_EV_DENY, "EPATH that devices may read differently") \
	R(epath_long, DROP, KS_EV_DENY, "EPATH with more segments than keyswitch follows") \
	R(route_malformed, DROP, KS_EV_DENY, "route that is not port segments with readable link addresses") \
	R(route_long, DROP, KS_EV_DENY, "route with more hops than keyswitch follows") \
	R(msp_malformed, DROP, KS_EV_DENY, "Multiple_Service_Packet malformed") \
	R(msp_members, DROP, KS_EV_DENY, "Multiple_Service_Packet with more members than keyswitch follows") \
	R(connection_unknown, DROP, KS_EV_DENY, "connected message on a connection that no allowed open made") \
	R(io_malformed, DROP, KS_EV_DENY, "implicit I/O datagram malformed") \
	R(io_unknown, DROP, KS_EV_DENY, "implicit I/O on a connection that no allowed open made") \
	R(io_size, DROP, KS_EV_DENY, "implicit I/O of another size than its connection has") \
	R(io_sequence, DROP, 0, "implicit I/O with an old sequence number") \
	R(nesting, DROP, KS_EV_DENY, "wrapped requests nested deeper than allowed") \
	R(pccc_malformed, DROP, KS_EV_DENY, "PCCC command malformed") \
	R(message_after_prefix, DROP, KS_EV_DENY, "denied after part of the message had passed: connection killed") \
	R(internal, DROP, KS_EV_PACKET, "a table that must exist does not")

#define KS_REASON_ENUM(sym, effect, kind, text) KS_R_##sym,
enum ks_reason { KS_REASON_LIST(KS_REASON_ENUM) KS_REASONS };
#undef KS_REASON_ENUM

#endif
