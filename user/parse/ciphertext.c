/* SPDX-License-Identifier: MIT */
/*
 * ciphertext — see ciphertext.h.
 *
 *   TLS record   type:1 version:2 length:2 body
 *   hello        type:1 length:3 version:2 random:32 session:1+n
 *     client's     ciphers:2+n methods:1+n extensions:2+n
 *     server's     cipher:2 method:1 extensions:2+n, each type:2 length:2 body
 *   SSH packet   length:4 padding:1 message:1 ... padding
 *   KEXINIT      cookie:16, ten lists 4+n, follows:1 reserved:4
 *
 * One field at a time is in hand; a hello's fields go on in the next record.
 */
#include "user/parse/ciphertext.h"

#define RECORD_HEAD 5U
#define RECORD_MAX  18432U /* 2^14 + 2048 */
#define PACKET_MAX  35000U /* with its length field */
#define LINES_MAX   8192U  /* before the identification: a notice of some lines */
#define BANNER_MAX  255U   /* with its end */

#define CLIENT_HELLO_MIN 41U     /* one cipher, one method, no extensions */
#define CLIENT_HELLO_MAX 131396U /* each field as long as it can be */
#define SERVER_HELLO_MIN 38U
#define RANDOM_LEN       32U
#define KEXINIT_LISTS    10U

enum proto { PROTO_TLS = 1, PROTO_SSH };
enum role { ROLE_CLIENT = 1, ROLE_SERVER };
enum record { CHANGE_CIPHER_SPEC = 20, ALERT, HANDSHAKE, APPLICATION_DATA };
enum message { MSG_DEBUG = 4, MSG_KEXINIT = 20, MSG_NEWKEYS = 21, MSG_KEX = 30, MSG_KEX_LAST = 49 };

enum step {
	STEP_START,
	STEP_SKIP, /* up to the end of the record or packet */
	/* fields that are read */
	HELLO_HEAD,
	HELLO_VERSION,
	HELLO_RANDOM,
	HELLO_SESSION_LENGTH,
	HELLO_CIPHERS_LENGTH,
	HELLO_METHODS_LENGTH,
	HELLO_EXTENSIONS_LENGTH,
	SERVER_CIPHER,
	EXTENSION_HEAD,
	VERSION_CHOSEN,
	AGAIN_HEAD, /* perhaps a second ClientHello */
	AGAIN_VERSION,
	SSH_LINE,
	SSH_OTHER_LINE,
	SSH_BANNER,
	PACKET_LENGTH,
	PACKET_PADDING,
	PACKET_MESSAGE,
	KEXINIT_COOKIE,
	KEXINIT_LIST_LENGTH,
	KEXINIT_LIST,
	/* fields that are skipped */
	SKIPPED,
	HELLO_SESSION = SKIPPED,
	HELLO_CIPHERS,
	HELLO_METHODS,
	CLIENT_EXTENSIONS,
	EXTENSION,
};

static bool over(const struct ciphertext_side *s)
{
	return s->known || s->never;
}

static struct ciphertext_side *other(struct ciphertext *c, const struct ciphertext_side *s)
{
	return s == &c->side[0] ? &c->side[1] : &c->side[0];
}

static void give_up(struct ciphertext *c)
{
	for (int dir = 0; dir < 2; dir++)
		c->side[dir].never = !c->side[dir].known;
}

/* What the side says is not known any more. */
static void lose(struct ciphertext *c, struct ciphertext_side *s)
{
	s->never = 1;
	if (!s->greeted)
		give_up(c);
}

static void settle(struct ciphertext *c)
{
	if (!c->side[0].greeted || !c->side[1].greeted)
		return;
	for (int dir = 0; dir < 2; dir++) {
		if (c->side[dir].only13 && !c->version13) {
			give_up(c);
			return;
		}
	}
	for (int dir = 0; dir < 2; dir++) {
		struct ciphertext_side *s = &c->side[dir];
		/* early data in vain: another hello follows it in the clear */
		bool again = c->retry && s->role == ROLE_CLIENT && s->hellos < 2;

		if (s->ready && !again && !s->never)
			s->known = 1;
	}
}

static void expect(struct ciphertext *c, struct ciphertext_side *s, enum step step, uint32_t need)
{
	if (need > s->message) {
		give_up(c);
		return;
	}
	s->step = (uint8_t)step;
	s->need = (uint16_t)need;
	s->value = 0;
}

static void expect_if(bool good, struct ciphertext *c, struct ciphertext_side *s, enum step step,
		      uint32_t need)
{
	if (good)
		expect(c, s, step, need);
	else
		give_up(c);
}

/* A message of which the first field's length is all that is known. */
static void begin(struct ciphertext_side *s, enum step step, uint32_t need)
{
	s->step = (uint8_t)step;
	s->message = need;
	s->need = (uint16_t)need;
	s->value = 0;
}

/* ---- TLS ---- */

/* Suites without encryption (IANA registry), with the integrity-only ones of RFC 9150. */
static bool is_clear(uint32_t cipher)
{
	static const uint16_t clear[] = {
		0x0000, 0x0001, 0x0002, 0x001c, 0x002c, 0x002d, 0x002e, 0x003b,
		0x00b0, 0x00b1, 0x00b4, 0x00b5, 0x00b8, 0x00b9, 0xc001, 0xc006,
		0xc00b, 0xc010, 0xc015, 0xc039, 0xc03a, 0xc03b, 0xc0b4, 0xc0b5,
	};

	for (size_t i = 0; i < sizeof(clear) / sizeof(clear[0]); i++)
		if (cipher == clear[i])
			return true;
	return false;
}

static void hello_head(struct ciphertext *c, struct ciphertext_side *s)
{
	uint32_t type = s->value >> 24, length = s->value & 0xffffff;
	enum role role = type == 1 ? ROLE_CLIENT : ROLE_SERVER;
	uint32_t least = role == ROLE_CLIENT ? CLIENT_HELLO_MIN : SERVER_HELLO_MIN;

	if ((type != 1 && type != 2) || other(c, s)->role == role || (s->role && s->role != role) ||
	    length < least || length > CLIENT_HELLO_MAX) {
		give_up(c);
		return;
	}
	s->role = role & 3;
	s->message = length;
	expect(c, s, HELLO_VERSION, 2);
}

/* RFC 8446 §4.1.4: a HelloRetryRequest is a ServerHello of this random.  It comes once, and only
 * 1.3 has it; there no other message stands in the last record before the keys change. */
static void hello_end(struct ciphertext *c, struct ciphertext_side *s)
{
	bool server = s->role == ROLE_SERVER;
	bool retry = server && s->match == RANDOM_LEN;

	s->step = STEP_SKIP;
	s->hellos++;
	if ((retry && s->hellos > 1) || (server && s->hellos + retry > 1 && !c->version13) ||
	    ((!server || c->version13) && s->left)) {
		give_up(c);
		return;
	}
	c->retry = c->retry || retry;
	s->greeted = !retry;
	settle(c);
}

static void next_extension(struct ciphertext *c, struct ciphertext_side *s)
{
	if (s->message)
		expect(c, s, EXTENSION_HEAD, 4);
	else
		hello_end(c, s);
}

/* The rest of a ClientHello, or the extensions of a ServerHello; they end with it. */
static void hello_extensions(struct ciphertext *c, struct ciphertext_side *s)
{
	if (s->role == ROLE_CLIENT || s->value != s->message)
		expect_if(s->value == s->message, c, s, CLIENT_EXTENSIONS, s->message);
	else
		next_extension(c, s);
}

static void extension_head(struct ciphertext *c, struct ciphertext_side *s)
{
	uint32_t type = s->value >> 16, length = s->value & 0xffff;

	if (type == 43) /* supported_versions */
		expect_if(length == 2, c, s, VERSION_CHOSEN, 2);
	else
		expect(c, s, EXTENSION, length);
}

static void again_head(struct ciphertext *c, struct ciphertext_side *s)
{
	if (s->value >= (1U << 24 | CLIENT_HELLO_MIN) && s->value <= (1U << 24 | CLIENT_HELLO_MAX))
		expect(c, s, AGAIN_VERSION, 2);
	else
		s->step = STEP_SKIP;
}

/* What was found before it does not hold: the keys are changed behind this hello. */
static void hello_again(struct ciphertext_side *s)
{
	s->step = STEP_SKIP;
	if (s->value != 0x0303)
		return;
	s->hellos = 2;
	s->from = 0;
	s->ready = s->only13 = 0;
}

static void hello_field(struct ciphertext *c, struct ciphertext_side *s)
{
	uint32_t value = s->value;

	switch ((enum step)s->step) {
	case HELLO_HEAD:
		hello_head(c, s);
		return;
	case HELLO_VERSION:
		s->match = 0;
		expect_if(value >= 0x0300 && value <= 0x0303, c, s, HELLO_RANDOM, RANDOM_LEN);
		return;
	case HELLO_RANDOM:
		expect(c, s, HELLO_SESSION_LENGTH, 1);
		return;
	case HELLO_SESSION_LENGTH:
		expect_if(value <= 32, c, s, HELLO_SESSION, value);
		return;
	case HELLO_SESSION:
		expect(c, s, s->role == ROLE_SERVER ? SERVER_CIPHER : HELLO_CIPHERS_LENGTH, 2);
		return;
	case HELLO_CIPHERS_LENGTH:
		expect_if(value && value % 2 == 0, c, s, HELLO_CIPHERS, value);
		return;
	case HELLO_CIPHERS:
		expect(c, s, HELLO_METHODS_LENGTH, 1);
		return;
	case HELLO_METHODS_LENGTH:
		expect_if(value > 0, c, s, HELLO_METHODS, value);
		return;
	case SERVER_CIPHER:
		expect_if(!is_clear(value), c, s, HELLO_METHODS, 1);
		return;
	case HELLO_METHODS:
		if (s->message)
			expect(c, s, HELLO_EXTENSIONS_LENGTH, 2);
		else
			hello_end(c, s);
		return;
	case HELLO_EXTENSIONS_LENGTH:
		hello_extensions(c, s);
		return;
	case EXTENSION_HEAD:
		extension_head(c, s);
		return;
	case VERSION_CHOSEN:
		c->version13 = value == 0x0304;
		next_extension(c, s);
		return;
	case AGAIN_HEAD:
		again_head(c, s);
		return;
	case AGAIN_VERSION:
		hello_again(s);
		return;
	default: /* EXTENSION, CLIENT_EXTENSIONS */
		next_extension(c, s);
	}
}

/* A handshake record behind the hello.  A client's may be a second ClientHello, or encrypted. */
static void handshake(struct ciphertext *c, struct ciphertext_side *s)
{
	s->finished = s->changed;
	if (s->role == ROLE_CLIENT) {
		if (s->hellos < 2) {
			begin(s, AGAIN_HEAD, 4);
			s->message = 6;
		}
	} else if (!s->greeted) {
		c->version13 = false;
		begin(s, HELLO_HEAD, 4);
	} else if (c->version13) {
		give_up(c);
	}
}

static void application_data(struct ciphertext *c, struct ciphertext_side *s)
{
	if (!s->greeted) {
		give_up(c);
		return;
	}
	if (s->from)
		return;
	s->only13 = !s->finished;
	s->ready = s->changed;
	s->from = s->changed ? s->off - RECORD_HEAD : s->off + s->left;
	settle(c);
}

static void record_begin(struct ciphertext *c, struct ciphertext_side *s)
{
	bool in_hello = s->step != STEP_SKIP;

	if (s->left == 0 || s->left > RECORD_MAX || (in_hello && s->type != HANDSHAKE) ||
	    (s->type == CHANGE_CIPHER_SPEC && s->left != 1))
		give_up(c);
	else if (s->type == HANDSHAKE && !in_hello)
		handshake(c, s);
	else if (s->type == APPLICATION_DATA)
		application_data(c, s);
}

static void record_head(struct ciphertext *c, struct ciphertext_side *s, uint8_t byte)
{
	static const struct {
		uint8_t least, most;
	} good[RECORD_HEAD] = {
		{CHANGE_CIPHER_SPEC, APPLICATION_DATA}, {3, 3}, {0, 4}, {0, 0xff}, {0, 0xff}};

	if (byte < good[s->head].least || byte > good[s->head].most) {
		give_up(c);
		return;
	}
	if (s->head == 0)
		s->type = byte;
	s->left = (uint16_t)(s->left << 8 | byte); /* the last two stay */
	if (++s->head == RECORD_HEAD)
		record_begin(c, s);
}

static void record_end(struct ciphertext *c, struct ciphertext_side *s)
{
	s->head = 0;
	if (s->type == CHANGE_CIPHER_SPEC)
		s->changed = 1;
	if (s->step == AGAIN_HEAD || s->step == AGAIN_VERSION)
		s->step = STEP_SKIP;
	if (s->type == APPLICATION_DATA && !s->ready) {
		s->ready = 1;
		settle(c);
	}
}

/* ---- SSH ---- */

static bool is_text(uint8_t byte)
{
	return (byte >= 0x20 && byte != 0x7f) || byte == '\r' || byte == '\t';
}

static void packet_begin(struct ciphertext_side *s)
{
	begin(s, PACKET_LENGTH, 4);
	s->left = 4;
}

/* RFC 4253 §4.2: only a server may say something before. */
static void other_line(struct ciphertext *c, struct ciphertext_side *s, uint8_t byte)
{
	s->lines = 1;
	s->step = byte == '\n' ? SSH_LINE : SSH_OTHER_LINE;
	s->value = 0;
	if (other(c, s)->lines || s->off > LINES_MAX || (byte != '\n' && !is_text(byte)))
		give_up(c);
}

static void banner(struct ciphertext *c, struct ciphertext_side *s, uint8_t byte)
{
	const char *begins;
	uint32_t at = s->value++;

	if (at == 4)
		s->match = byte;
	begins = s->match == '1' ? "SSH-1.99-" : "SSH-2.0-";
	if (s->value > BANNER_MAX || (byte != '\n' && !is_text(byte)) ||
	    (at < strlen(begins) && byte != (uint8_t)begins[at]))
		give_up(c);
	else if (byte == '\n')
		packet_begin(s);
}

static void line(struct ciphertext *c, struct ciphertext_side *s, uint8_t byte)
{
	if (s->step == SSH_BANNER) {
		banner(c, s, byte);
		return;
	}
	if (s->step == SSH_OTHER_LINE || byte != (uint8_t) "SSH-"[s->value]) {
		other_line(c, s, byte);
		return;
	}
	if (++s->value == 4)
		s->step = SSH_BANNER;
}

static void packet_message(struct ciphertext *c, struct ciphertext_side *s)
{
	bool good;

	s->type = (uint8_t)s->value;
	s->step = STEP_SKIP;
	if (s->type == MSG_KEXINIT && !s->hellos) {
		expect(c, s, KEXINIT_COOKIE, 16);
		return;
	}
	if (s->type == MSG_NEWKEYS) {
		good = s->keys && s->message == 0;
	} else if (s->type >= MSG_KEX && s->type <= MSG_KEX_LAST) {
		good = s->greeted;
		s->keys = 1;
	} else {
		good = s->type >= 1 && s->type <= MSG_DEBUG;
	}
	if (!good)
		give_up(c);
}

/* Who gives back what it was sent has our cookie, and no keys. */
static void cookie(struct ciphertext *c, struct ciphertext_side *s)
{
	if (other(c, s)->hellos && c->cookie == s->value) {
		give_up(c);
		return;
	}
	c->cookie = s->value;
	s->hellos = 1;
	s->head = 0;
	expect(c, s, KEXINIT_LIST_LENGTH, 4);
}

/* The third and fourth list: encryption, either way. */
static bool offers_none(const struct ciphertext_side *s)
{
	return (s->head == 2 || s->head == 3) && s->match == 4;
}

/* Behind the lists are follows:1 and reserved:4. */
static void list_end(struct ciphertext *c, struct ciphertext_side *s)
{
	s->step = STEP_SKIP;
	if (offers_none(s) || (++s->head == KEXINIT_LISTS && s->message != 5))
		give_up(c);
	else if (s->head < KEXINIT_LISTS)
		expect(c, s, KEXINIT_LIST_LENGTH, 4);
}

static void packet_field(struct ciphertext *c, struct ciphertext_side *s)
{
	uint32_t value = s->value;

	switch ((enum step)s->step) {
	case PACKET_LENGTH:
		s->left = (uint16_t)value;
		s->message = value;
		expect_if(value >= 12 && value <= PACKET_MAX - 4 && (value + 4) % 8 == 0, c, s,
			  PACKET_PADDING, 1);
		return;
	case PACKET_PADDING:
		s->message -= value < s->message ? value : s->message;
		expect_if(value >= 4, c, s, PACKET_MESSAGE, 1);
		return;
	case PACKET_MESSAGE:
		packet_message(c, s);
		return;
	case KEXINIT_COOKIE:
		cookie(c, s);
		return;
	case KEXINIT_LIST_LENGTH:
		s->match = 0;
		expect(c, s, KEXINIT_LIST, value);
		return;
	default: /* KEXINIT_LIST */
		list_end(c, s);
	}
}

static void packet_end(struct ciphertext *c, struct ciphertext_side *s)
{
	if (s->type == MSG_KEXINIT) {
		s->greeted = 1;
	} else if (s->type == MSG_NEWKEYS) {
		s->ready = 1;
		s->from = s->off;
	}
	packet_begin(s);
	settle(c);
}

/* ---- bytes ---- */

static void look(struct ciphertext *c, struct ciphertext_side *s, uint8_t byte)
{
	static const uint8_t retry[RANDOM_LEN] = {
		0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
		0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
		0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
	};

	if (s->step == HELLO_RANDOM) {
		if (s->match < RANDOM_LEN && byte == retry[s->match])
			s->match++;
	} else if (s->step != KEXINIT_LIST) {
		s->value = s->value << 8 | byte;
	} else if (byte != ',') {
		s->match = s->match < 4 && byte == (uint8_t) "none"[s->match] ? s->match + 1 : 0xff;
	} else {
		if (offers_none(s))
			give_up(c);
		s->match = 0;
	}
}

/* Fields from the bytes, as long as there are any; how many bytes they took. */
static size_t fields(struct ciphertext *c, struct ciphertext_side *s, const uint8_t *at, size_t n)
{
	size_t used = 0;

	while (used < n && s->step != STEP_SKIP && !over(s)) {
		size_t some = n - used < s->need ? n - used : s->need;

		for (size_t i = 0; s->step < SKIPPED && i < some; i++)
			look(c, s, at[used + i]);
		used += some;
		s->need = (uint16_t)(s->need - some);
		s->left = (uint16_t)(s->left - some);
		s->message -= (uint32_t)some;
		while (!s->need && s->step != STEP_SKIP && !over(s)) {
			if (c->proto == PROTO_TLS)
				hello_field(c, s);
			else
				packet_field(c, s);
		}
	}
	return used;
}

/* n bytes, not beyond the end of the record or packet. */
static void body(struct ciphertext *c, struct ciphertext_side *s, const uint8_t *at, size_t n)
{
	bool record = c->proto == PROTO_TLS;
	size_t used = 0;

	s->off += (uint32_t)n;
	if (!record || s->type == HANDSHAKE)
		used = fields(c, s, at, n);
	else if (s->type == CHANGE_CIPHER_SPEC && *at != 1)
		give_up(c);
	s->left = (uint16_t)(s->left - (n - used));
	if (s->left || over(s))
		return;
	if (record)
		record_end(c, s);
	else
		packet_end(c, s);
}

static void start(struct ciphertext *c, struct ciphertext_side *s, uint8_t byte)
{
	enum proto proto = byte == HANDSHAKE ? PROTO_TLS : PROTO_SSH;

	if (c->proto && c->proto != proto) {
		give_up(c);
		return;
	}
	c->proto = (uint8_t)proto;
	begin(s, proto == PROTO_TLS ? HELLO_HEAD : SSH_LINE, 4);
}

void ciphertext_feed(struct ciphertext *c, uint8_t dir, struct span bytes)
{
	struct ciphertext_side *s = &c->side[dir & 1];
	size_t room = CIPHERTEXT_LOOK - s->off;
	bool beyond = span_len(bytes) > room;

	if (bytes.at == bytes.end || over(s))
		return;
	if (beyond)
		bytes.end = bytes.at + room;
	if (s->step == STEP_START)
		start(c, s, *bytes.at);
	while (bytes.at < bytes.end && !over(s)) {
		size_t n = span_len(bytes);

		if (c->proto == PROTO_SSH && s->ready) { /* waits for the other side */
			s->off += (uint32_t)n;
		} else if (s->step >= SSH_LINE && s->step <= SSH_BANNER) {
			n = 1;
			s->off++;
			line(c, s, *bytes.at);
		} else if (c->proto == PROTO_TLS && s->head < RECORD_HEAD) {
			n = 1;
			s->off++;
			record_head(c, s, *bytes.at);
		} else {
			n = n < s->left ? n : s->left;
			body(c, s, bytes.at, n);
		}
		bytes.at += n;
	}
	if (beyond && !over(s))
		lose(c, s);
}

void ciphertext_gap(struct ciphertext *c, uint8_t dir)
{
	struct ciphertext_side *s = &c->side[dir & 1];

	if (!over(s))
		lose(c, s);
}

bool ciphertext_from(const struct ciphertext *c, uint8_t dir, uint64_t *off)
{
	const struct ciphertext_side *s = &c->side[dir & 1];

	if (s->known)
		*off = s->from;
	return s->known;
}

bool ciphertext_done(const struct ciphertext *c)
{
	return over(&c->side[0]) && over(&c->side[1]);
}
