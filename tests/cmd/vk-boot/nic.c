/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/nic.h"

#include "tests/tap.h"

static struct nic nic;
static struct err e;

static int
parse(const char *text)
{
	nic_release(&nic);
	e = (struct err)ERR_INIT;
	return nic_parse(&nic, text, "box", 0, &e);
}

int
main(void)
{
	static const char *const bad[] = {"", ",mac=52:54:00:00:00:01",
	    "s,mac=52:54:00:00:00", "s,mac=53:54:00:00:00:01", "s,mtu=67",
	    "s,mtu=65536", "s,address=10.0.0.2", "s,address=10.0.0.2/33",
	    "s,address=10.0.0.2/24,gateway=10.0.0.1/24", "s,gateway=10.0.0.1",
	    "s,nonsense", "s,colour=red", "fd:x", "fd:60000"};
	struct buf config = BUF_INIT(1000);
	struct nic second;

	nic.fd = -1;
	is_int(parse("/run/switch"), 0, "a socket alone");
	is_str(nic.path, "/run/switch", "its path");
	ok((nic.mac[0] & 3) == 2, "a local address of one station");
	nic_parse(&second, "/x", "box", 1, &e);
	ok(memcmp(nic.mac, second.mac, 6) != 0, "another for the next one");
	nic_release(&second);
	nic_parse(&second, "/x", "box", 0, &e);
	ok(memcmp(nic.mac, second.mac, 6) == 0, "and always the same");
	nic_release(&second);

	is_int(parse("s,mac=52:54:00:12:34:56,mtu=9000,"
		     "address=10.0.0.2/24,gateway=10.0.0.1"),
	    0, "everything");
	ok(memcmp(nic.mac, "\x52\x54\x00\x12\x34\x56", 6) == 0, "mac");
	is_int(nic.mtu, 9000, "mtu");
	nic_config(&nic, 2, &config);
	is_str(config.data,
	    "net 52:54:00:12:34:56 name eth2\n"
	    "net 52:54:00:12:34:56 up\n"
	    "net 52:54:00:12:34:56 address 10.0.0.2/24\n"
	    "net 52:54:00:12:34:56 gateway 10.0.0.1\n",
	    "what the agent is told");
	buf_release(&config);
	is_int(parse("s,address=fd00::2/64"), 0, "IPv6");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(parse(bad[i]) < 0 && e.status == EX_USAGE, "not: '%s'",
		    bad[i]);
	nic_release(&nic);
	return tap_done();
}
