/* SPDX-License-Identifier: MIT */
/*
 * http1_talks — conversations: framed and paired as RFC 9112 has it, what is wrong said and what is
 * lost stepped over; in any chunks and any order of the two sides the same; and where another
 * protocol follows.
 */
#include <string.h>

#include "tests/guard.h"
#include "tests/http1_host.h"
#include "tests/suites.h"

static const struct talk talks[] = {
	TALK("one request", HEARD, 0, C(GET("/")), S(HELLO)),
	TALK("three, one after the other",
	     "GET /1 0 > 200 5 +\nGET /2 0 > 404 2 +\nGET /3 0 > 200 5 +\n", 0, C(GET("/1")),
	     S(HELLO), C(GET("/2")), S(NOT_FOUND), C(GET("/3")), S(HELLO)),
	TALK("three, pipelined", "GET /1 0 > 200 5 +\nGET /2 0 > 404 2 +\nGET /3 0 > 200 5 +\n", 0,
	     C(GET("/1") GET("/2") GET("/3")), S(HELLO NOT_FOUND HELLO), TOLD(3), C_FIN, S_FIN),
	TALK("bodies in requests", "POST /1 5 > 200 5 +\nPUT /2 0 > 200 5 +\nGET /3 0 > 404 2 +\n",
	     0,
	     C("POST /1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde"
	       "PUT /2 HTTP/1.1\r\nContent-Length: 0\r\n\r\n" GET("/3")),
	     S(HELLO HELLO NOT_FOUND)),
	TALK("chunks, extensions and trailers", "GET /1 0 > 200 11 +\nGET /2 0 > 404 2 +\n", 0,
	     ASK_BOTH,
	     S(OK(CHUNKED) "5\r\nhello\r\n006;a=\"b;c\" ; d\r\n world\r\n0;x\r\nDigest: y\r\nA: "
			   "b\r\n"
			   "\r\n" NOT_FOUND)),
	TALK("chunks in a request", "POST /1 10 > 200 5 +\nGET /2 0 > 404 2 +\n", 0,
	     C("POST /1 HTTP/1.1\r\n" CHUNKED "\r\nA\r\n0123456789\r\n0\r\n\r\n" GET("/2")),
	     S(HELLO NOT_FOUND)),
	TALK("no chunks but the last", "GET /1 0 > 200 0 +\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
	     S(OK(CHUNKED) "0\r\n\r\n" NOT_FOUND)),
	TALK("interim responses", "POST / 2 > 200 5 +\nGET /2 0 > 404 2 +\n", 0,
	     C("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
	     S("HTTP/1.1 100 Continue\r\n\r\n"
	       "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n"),
	     C("ab" GET("/2")), S(HELLO NOT_FOUND)),
	TALK("an interim response alone", "GET / 0 > 0 0 -\n", 0, C(GET("/")),
	     S("HTTP/1.1 100 Continue\r\n\r\n"), TOLD(0), S_FIN),
	TALK("no body by status",
	     "GET /1 0 > 204 0 +\nGET /2 0 > 304 0 +\nGET /3 0 > 204 0 +\nGET /4 0 > 200 5 +\n", 0,
	     C(GET("/1") GET("/2") GET("/3") GET("/4")),
	     S("HTTP/1.1 204 No Content\r\n\r\n"
	       "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\nETag: \"x\"\r\n\r\n"
	       "HTTP/1.1 204 No\r\n" CHUNKED "\r\n" HELLO)),
	IN_ORDER("no body by method",
		 "HEAD /1 0 > 200 0 +\nHEAD /2 0 > 200 0 +\nGET /3 0 > 200 5 +\n", 0,
		 C("HEAD /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\n" GET("/3")),
		 S(OK("Content-Length: 100\r\n") OK(CHUNKED) HELLO)),
	/* RFC 9110 §9.1: case matters */
	IN_ORDER("a method like HEAD", "head /1 0 > 200 5 +\nHEADS /2 0 > 404 2 +\n", 0,
		 C("head /1 HTTP/1.1\r\n\r\nHEADS /2 HTTP/1.1\r\n\r\n"), S(HELLO NOT_FOUND)),
	TALK("methods nobody knows",
	     "FOO /1 0 > 200 5 +\nVERSION-CONTROL /2 1 > 200 5 +\n!#$%&'*+-.^_`|~ /3 0 > 200 5 +\n",
	     0,
	     C("FOO /1 HTTP/1.1\r\n\r\nVERSION-CONTROL /2 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"
	       "!#$%&'*+-.^_`|~ /3 HTTP/1.1\r\n\r\n"),
	     S(HELLO HELLO HELLO)),
	TALK("a body up to the end", "GET / 0 > 200 62 +\n", 0, C(GET("/")),
	     S("HTTP/1.0 200 OK\r\nServer: x\r\n\r\nall of this\r\n\r\n" NOT_FOUND), TOLD(0), S_FIN,
	     TOLD(1)),
	TALK("a body up to an end that was not seen", "GET / 0 > 200 11 -\n", 0, C(GET("/")),
	     S(OK("") "all of this")),
	TALK("a body shorter than it says", "GET / 0 > 200 5 -\n", 0, C(GET("/")),
	     S(OK("Content-Length: 50\r\n") "hello"), S_FIN),
	TALK("an answer that ends in its header", "GET / 0 > 200 0 -\n", 0, C(GET("/")),
	     S("HTTP/1.1 200 OK\r\nContent-Le"), S_FIN),
	TALK("a chunked body that ends early", "GET / 0 > 200 5 -\n", 0, C(GET("/")),
	     S(OK(CHUNKED) "5\r\nhello\r\n0\r\n"), S_FIN),
	TALK("requests without answers", "GET /1 0 > 0 0 -\nGET /2 0 > 0 0 -\n", 0, ASK_BOTH, C_FIN,
	     TOLD(0)),
	TALK("answers without requests", "- - 0 > 200 5 -\n- - 0 > 404 2 -\n", 0,
	     S(HELLO NOT_FOUND), S_FIN),
	TALK("an answer before its request", HEARD_BOTH, 0, S(HELLO), TOLD(0), C(GET("/1")),
	     TOLD(1), C(GET("/2")), S(NOT_FOUND)),
	TALK("an answer before the end of its request",
	     "POST /1 40 > 404 2 +\nGET /2 0 > 200 5 +\n", 0,
	     C("POST /1 HTTP/1.1\r\nContent-Length: 40\r\n\r\nfirst "), S(NOT_FOUND), TOLD(0),
	     C("GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n."), TOLD(1), C(GET("/2")), S(HELLO)),
	TALK("targets in every form",
	     "GET http://a.example/1?x=y 0 > 200 5 +\nOPTIONS * 0 > 200 5 +\nGET /a%20b?c 0 > 200 "
	     "5 +\n",
	     0,
	     C("GET http://a.example/1?x=y HTTP/1.1\r\nHost: b\r\n\r\nOPTIONS * "
	       "HTTP/1.1\r\n\r\n" GET("/a%20b?c")),
	     S(HELLO HELLO HELLO)),
	TALK("folded lines", HEARD, ODD(FOLDED),
	     C("GET / HTTP/1.1\r\nUser-Agent: a\r\n b\r\n\tc\r\nHost: d\r\n\r\n"),
	     S(OK("Content-Length:\r\n 5\r\nX: y\r\n z\r\n") "hello")),
	TALK("a folded Transfer-Encoding", HEARD, ODD(FOLDED), C(GET("/")),
	     S(OK("Transfer-Encoding:\r\n chunked\r\n") "5\r\nhello\r\n0\r\n\r\n"), S_FIN),
	TALK("lines without CR", HEARD_BOTH, ODD(BARE_LF),
	     C("GET /1 HTTP/1.1\nHost: a\n\nGET /2 HTTP/1.1\n\n"),
	     S("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello" NOT_FOUND)),
	TALK("empty lines before a request", HEARD_BOTH, 0,
	     C("\r\n\r\n" GET("/1") "\r\n\n" GET("/2")), S(HELLO NOT_FOUND)),
	TALK("status lines without a reason", "GET /1 0 > 200 1 +\nGET /2 0 > 404 1 +\n", 0,
	     ASK_BOTH,
	     S("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na"
	       "HTTP/1.0 404 \r\nContent-Length: 1\r\n\r\nb")),
	TALK("the same length again", "GET /1 0 > 200 5 +\nGET /2 0 > 200 2 +\n", 0, ASK_BOTH,
	     S(OK("Content-Length: 5\r\ncontent-length: 5\r\n") "hello" OK(
		     "Content-Length: 2, 02\r\n") "no")),
	TALK("two lengths", "POST / 5 > 200 5 +\n", ODD(CONFLICTING_LENGTH),
	     C("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde"), S(HELLO)),
	TALK("length, then chunked", HEARD_BOTH, ODD(LENGTH_AND_CHUNKED), ASK_BOTH,
	     S(OK("Content-Length: 3\r\n" CHUNKED) "5\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	TALK("chunked, then length", "POST /1 1 > 200 5 +\nGET /2 0 > 404 2 +\n",
	     ODD(LENGTH_AND_CHUNKED),
	     C("POST /1 HTTP/1.1\r\n" CHUNKED
	       "Content-Length: 99\r\n\r\n1\r\nx\r\n0\r\n\r\n" GET("/2")),
	     S(HELLO NOT_FOUND)),
	TALK("chunked behind another coding", HEARD_BOTH, ODD(TRANSFER_ENCODING), ASK_BOTH,
	     S(OK("Transfer-Encoding: gzip, chunked\r\n") "5\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	TALK("chunked twice", HEARD_BOTH, ODD(TRANSFER_ENCODING), ASK_BOTH,
	     S(OK(CHUNKED CHUNKED) "5\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	TALK("a blank before the colon", HEARD_BOTH, ODD(TRANSFER_ENCODING), ASK_BOTH,
	     S(OK("Transfer-Encoding : chunked\r\n") "5\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	/* RFC 9112 §6.3: it lasts to the end */
	TALK("a coding that is not chunked", "GET / 0 > 200 15 +\n", ODD(TRANSFER_ENCODING),
	     C(GET("/")), S(OK("Transfer-Encoding: xchunked\r\n") "5\r\nhello\r\n0\r\n\r\n"),
	     S_FIN),
	TALK("identity, of RFC 2616", HEARD_BOTH, ODD(TRANSFER_ENCODING), ASK_BOTH,
	     S(OK("Transfer-Encoding: identity\r\nContent-Length: 5\r\n") "hello" NOT_FOUND)),
	TALK("a length that is none", HEARD, ODD(BAD_LENGTH), C(GET("/")),
	     S(OK("Content-Length: five\r\n") "hello"), S_FIN),
	TALK("a negative length, in a request", "POST /1 0 > 200 5 +\nGET /2 0 > 404 2 +\n",
	     ODD(BAD_LENGTH), C("POST /1 HTTP/1.1\r\nContent-Length: -5\r\n\r\n" GET("/2")),
	     S(HELLO NOT_FOUND)),
	IN_ORDER("a negative chunk", "GET /1 0 > 200 0 -\nGET /2 0 > 404 2 +\n", ODD(BAD_CHUNK),
		 ASK_BOTH, S(OK(CHUNKED) "-5\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	/* all of it is in the chunk */
	IN_ORDER("a chunk of 2^64", "GET /1 0 > 200 59 -\nGET /2 0 > 0 0 -\n", ODD(BAD_CHUNK),
		 ASK_BOTH, S(OK(CHUNKED) "10000000000000005\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	IN_ORDER("a chunk without a size", "GET /1 0 > 200 5 -\nGET /2 0 > 404 2 +\n",
		 ODD(BAD_CHUNK), ASK_BOTH, S(OK(CHUNKED) "5\r\nhello\r\n\r\n0\r\n\r\n" NOT_FOUND)),
	IN_ORDER("a chunk longer than it says", "POST /1 3 > 200 5 -\nGET /2 0 > 404 2 +\n",
		 ODD(BAD_CHUNK),
		 C("POST /1 HTTP/1.1\r\n" CHUNKED "\r\n3\r\nabcde\r\n0\r\n\r\n" GET("/2")),
		 S(HELLO NOT_FOUND)),
	TALK("a size that is read in two ways", HEARD_BOTH, ODD(BAD_CHUNK), ASK_BOTH,
	     S(OK(CHUNKED) "5 x\r\nhello\r\n0\r\n\r\n" NOT_FOUND)),
	TALK("gzip", "GET /1 0 > 200 17 +\nGET /2 0 > 200 17 +\nGET /3 0 > 200 17 +\n", 0,
	     C(GET("/1") GET("/2") GET("/3")),
	     S(OK("Content-Encoding: gzip\r\nContent-Length: 28\r\n") GZIPPED OK(
		     "Content-Encoding: X-GZip\r\nContent-Length: 28\r\n") GZIPPED
		       OK("Content-Encoding: gzip\r\n" CHUNKED) "5\r\n\037\213\010\000\000\r\n17\r"
								"\n"
								"\000"
								"\000\000\002\003\313H\315\311\311W"
								"\310@"
								"\220\000\200\210\371\345\021\000"
								"\000"
								"\000\r\n0\r\n\r\n")),
	TALK("deflate, with a header of zlib and without",
	     "GET /1 0 > 200 17 +\nGET /2 0 > 200 17 +\n", 0, ASK_BOTH,
	     S(OK("Content-Encoding: deflate\r\nContent-Length: 16\r\n")
		       ZLIBBED OK("Content-Encoding: deflate\r\nContent-Length: 10\r\n") DEFLATED)),
	TALK("brotli and zstd", "GET /1 0 > 200 17 +\nGET /2 0 > 200 17 +\n", 0, ASK_BOTH,
	     S(OK("Content-Encoding: br\r\nContent-Length: 13\r\n")
		       BROTLIED OK("Content-Encoding: zstd\r\nContent-Length: 21\r\n") ZSTDED)),
	TALK("two encodings, in a request", "POST /1 17 > 200 5 +\nPOST /2 17 > 404 2 +\n", 0,
	     C("POST /1 HTTP/1.1\r\nContent-Encoding: gzip, br\r\nContent-Length: "
	       "32\r\n\r\n" GZIP_BR
	       "POST /2 HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Encoding: identity, br\r\n"
	       "Content-Length: 32\r\n\r\n" GZIP_BR),
	     S(HELLO NOT_FOUND)),
	TALK("an encoding nobody knows",
	     "GET /1 0 > 200 5 +\nGET /2 0 > 200 28 +\nGET /3 0 > 200 28 +\n", 0,
	     C(GET("/1") GET("/2") GET("/3")),
	     S(OK("Content-Encoding: rot13\r\nContent-Length: 5\r\n") "uryyb" OK(
		     "Content-Encoding: rot13, gzip\r\nContent-Length: 28\r\n")
		       GZIPPED OK("Content-Encoding: rot13\r\nContent-Encoding: "
				  "gzip\r\nContent-Length: 28\r\n") GZIPPED)),
	/* as it came */
	TALK("an encoding that is a lie",
	     "GET /1 0 > 200 11 +\nGET /2 0 > 200 15 +\nGET /3 0 > 404 2 +\n", ODD(DECODE_FAILED),
	     C(GET("/1") GET("/2") GET("/3")),
	     S(OK("Content-Encoding: gzip\r\nContent-Length: 11\r\n") "hello world" OK(
		     "Content-Encoding: br\r\nContent-Length: 15\r\n") "<html>no</"
								       "html>" NOT_FOUND)),
	TALK("an encoding that ends early", "GET /1 0 > 200 1 +\nGET /2 0 > 404 2 +\n",
	     ODD(DECODE_FAILED), ASK_BOTH,
	     S(OK("Content-Encoding: gzip\r\nContent-Length: 12\r\n") "\037\213\010\000\000\000\000"
								      "\000\002\003\313"
								      "H" NOT_FOUND)),
	TALK("a header of many lines", "GET /1 3 > 200 5 +\nGET /2 0 > 404 2 +\n", ODD(HEADER_LONG),
	     C("GET /1 HTTP/1.1\r\nA: " X512 "\r\nB: " X512 "\r\nC: " X512
	       "\r\nContent-Length: 3\r\n"
	       "\r\nabc" GET("/2")),
	     S(HELLO NOT_FOUND)),
	TALK("a line beyond the bound", HEARD_BOTH, ODD(HEADER_LONG) | ODD(LINE_LONG), ASK_BOTH,
	     S(OK("A: " X512 X512 X512 "\r\nContent-Length: 5\r\n") "hello" NOT_FOUND)),
	IN_ORDER("an answer of another protocol", HEARD_BOTH, ODD(BAD_START), ASK_BOTH,
		 S(HELLO "this is no answer\r\n" NOT_FOUND)),
	IN_ORDER("a request of another protocol", HEARD, ODD(BAD_START),
		 C("<policy/>\r\nHELO example\r\n" GET("/")), S(HELLO)),
	IN_ORDER("bytes behind the last answer", HEARD, ODD(BAD_START), C(GET("/")),
		 S(HELLO "and more\r\n"), TOLD(1), S_FIN),
	/* RFC 1945 §4.1, §6 */
	IN_ORDER("a simple request", "GET /old 0 > 0 20 +\n", 0, C("GET /old\r\n"),
		 S("<html>\r\nold\r\n</html>"), S_FIN, C_FIN),
	IN_ORDER("a simple answer like a status line", "GET /old 0 > 0 33 +\n", 0,
		 C("GET /old\r\n"), S("HTML is here\r\nHTTP/1.1 200 OK\r\n\r\n"), S_FIN, C_FIN),
	IN_ORDER("a simple answer of a word", "GET /old 0 > 0 3 +\n", 0, C("GET /old\r\n"),
		 S("HTM"), S_FIN, C_FIN),
	IN_ORDER("a simple request with a full answer", "GET /old 0 > 200 5 +\n", 0,
		 C("GET /old\r\n"), S(HELLO), S_FIN, C_FIN),
	IN_ORDER("a request without version but with header", HEARD_BOTH, 0,
		 C("GET /1\r\nHost: a\r\n\r\n" GET("/2")), S(HELLO NOT_FOUND)),
	TALK("CONNECT refused", "CONNECT b:443 0 > 403 2 +\nGET / 0 > 200 5 +\n", 0,
	     C("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"),
	     S("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"), C(GET("/")), S(HELLO)),
	TALK("an upgrade refused", "GET /ws 0 > 200 5 +\nGET / 0 > 404 2 +\n", 0,
	     C("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"), S(HELLO),
	     C(GET("/")), S(NOT_FOUND)),
	IN_ORDER("bytes for a tunnel that is refused",
		 "CONNECT b:1 0 > 403 0 +\nGET / 0 > 200 5 +\n", 0,
		 C("CONNECT b:1 HTTP/1.1\r\n\r\n\x16\x03\x01 hello\n more\n"),
		 S("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), C("\r\n" GET("/")),
		 S(HELLO)),
};

/* With holes: what is lost is not guessed, what follows is found. */
static const struct talk holes[] = {
	IN_ORDER("in the header of a request", "GET /1 0 > 200 5 -\nGET /2 0 > 404 2 +\n", 0,
		 C("GET /1 HTTP/1.1\r\nHo"), C_LOSES(20), C("x\r\n\r\n" GET("/2")), S(HELLO),
		 TOLD(1), S(NOT_FOUND)),
	IN_ORDER("behind a request line", "GET /1 0 > 200 5 -\nGET /2 0 > 404 2 +\n", 0,
		 C("GET /1 HTTP/1.1\r\n"), C_LOSES(20), C("x\r\n\r\n" GET("/2")), S(HELLO), TOLD(1),
		 S(NOT_FOUND), TOLD(2)),
	IN_ORDER("in a request line", "GET /1 0 > 200 5 +\nGET /3 0 > 0 0 -\n", 0,
		 C(GET("/1") "GET /2"), C_LOSES(30), C(" HTTP/1.1\r\n\r\n" GET("/3")), S(HELLO)),
	IN_ORDER("in the header of an answer", "GET /1 0 > 200 0 -\nGET /2 0 > 404 2 +\n", 0,
		 ASK_BOTH, S("HTTP/1.1 200 OK\r\nX-No"), S_LOSES(8),
		 S("thing\r\nContent-Length: 3\r\n\r\nab\n" NOT_FOUND), TOLD(2)),
	IN_ORDER("behind a status line", "GET /1 0 > 200 0 -\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
		 S("HTTP/1.1 200 OK\r\n"), S_LOSES(8),
		 S("thing\r\nContent-Length: 3\r\n\r\nab\n" NOT_FOUND), TOLD(2)),
	IN_ORDER("in a body of known length", "GET /1 0 > 200 15 -\nGET /2 0 > 404 2 +\n", 0,
		 ASK_BOTH, S(OK("Content-Length: 20\r\n") "12345"), S_LOSES(5),
		 S("HTTP/1.1 2" NOT_FOUND), TOLD(2)),
	IN_ORDER("up to the end of a body of known length",
		 "PUT /1 5 > 200 5 -\nGET /2 0 > 404 2 +\n", 0,
		 C("PUT /1 HTTP/1.1\r\nContent-Length: 20\r\n\r\n12345"), C_LOSES(15), C(GET("/2")),
		 S(HELLO NOT_FOUND), TOLD(2)),
	IN_ORDER("all of a body of known length", "GET /1 0 > 200 0 -\nGET /2 0 > 404 2 +\n", 0,
		 ASK_BOTH, S(OK("Content-Length: 20\r\n")), S_LOSES(20), S(NOT_FOUND), TOLD(2)),
	IN_ORDER("behind the header of a chunked body", "GET /1 0 > 200 0 -\nGET /2 0 > 404 2 +\n",
		 0, ASK_BOTH, S(OK(CHUNKED)), S_LOSES(20), S("x\r\n" NOT_FOUND), TOLD(2)),
	IN_ORDER("in a chunk", "GET /1 0 > 200 7 -\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
		 S(OK(CHUNKED) "a\r\n01234"), S_LOSES(3), S("89\r\n0\r\n\r\n" NOT_FOUND), TOLD(2)),
	IN_ORDER("up to the end of a chunk", "GET /1 0 > 200 7 -\nGET /2 0 > 404 2 +\n", 0,
		 ASK_BOTH, S(OK(CHUNKED) "a\r\n01234"), S_LOSES(5),
		 S("\r\n2\r\nab\r\n0\r\n\r\n" NOT_FOUND), TOLD(2)),
	IN_ORDER("over the end of a chunk", "GET /1 0 > 200 2 -\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
		 S(OK(CHUNKED) "5\r\nab"), S_LOSES(10), S("hi\r\n0\r\n\r\n" NOT_FOUND), TOLD(2)),
	IN_ORDER("between chunks", "GET /1 0 > 200 5 -\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
		 S(OK(CHUNKED) "5\r\nhello\r\n"), S_LOSES(3), S("world\r\n0\r\n\r\n" NOT_FOUND),
		 TOLD(2)),
	IN_ORDER("in a trailer", "GET /1 0 > 200 5 -\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
		 S(OK(CHUNKED) "5\r\nhello\r\n0\r\nDig"), S_LOSES(9), S("\r\n\r\n" NOT_FOUND),
		 TOLD(2)),
	IN_ORDER("in a body up to the end", "GET / 0 > 200 52 -\n", 0, C(GET("/")),
		 S(OK("") "first"), S_LOSES(9), S(NOT_FOUND), S_FIN, TOLD(1)),
	IN_ORDER("over a message", "PUT /1 4 > 200 5 -\nGET /3 0 > 0 0 -\n", 0,
		 C("PUT /1 HTTP/1.1\r\nContent-Length: 10\r\n\r\n1234"), C_LOSES(40),
		 C("a\r\n\r\n" GET("/3")), S(HELLO), TOLD(1)),
	IN_ORDER("a request and nothing else",
		 "GET /1 0 > 200 5 +\n- - 0 > 404 2 -\nGET /3 0 > 200 5 +\n", 0, C(GET("/1")),
		 S(HELLO), C_LOSES(29), S(NOT_FOUND), C(GET("/3")), S(HELLO), TOLD(3)),
	IN_ORDER("an answer and nothing else", "GET /1 0 > 0 0 -\nGET /2 0 > 404 2 +\n", 0,
		 C(GET("/1")), S_LOSES(43), C(GET("/2")), S(NOT_FOUND), TOLD(2)),
	IN_ORDER("in an encoded body", "GET /1 0 > 200 0 -\nGET /2 0 > 404 2 +\n", 0, ASK_BOTH,
		 S(OK("Content-Encoding: br\r\nContent-Length: 13\r\n") "\037\020\000"), S_LOSES(5),
		 S("\020d\352\360\234" NOT_FOUND), TOLD(2)),
};

static void expect_talks(const struct talk *t, size_t n)
{
	struct bench b;

	h1_open(&b, &h1_roomy);
	for (size_t i = 0; i < n; i++) {
		h1_talk(&b, &t[i]);
		h1_check_talk(&b, &t[i]);
		b.client = !b.client;
	}
	h1_close(&b);
}

static void test_conversations(void)
{
	expect_talks(talks, sizeof(talks) / sizeof(talks[0]));
}

static void test_holes(void)
{
	expect_talks(holes, sizeof(holes) / sizeof(holes[0]));
}

/* ---- the same in other chunks ---- */

static bool same_body(const struct body *a, const struct body *b)
{
	return a->told == b->told && a->over == b->over && memcmp(a->at, b->at, a->n) == 0;
}

static void expect_same(struct bench *b, const struct record *whole, const char *how)
{
	bool all = strcmp(b->r->all.at, whole->all.at) == 0;
	const char *x = b->r->all.at, *y = whole->all.at;

	while (!all && *x == *y)
		x++, y++;
	CHECK(all, "%s, %s: ...%.60s, not ...%.60s", b->why, how, x, y);
	CHECK(memcmp(b->r->odd, whole->odd, sizeof(whole->odd)) == 0, "%s, %s: anomalies %llx",
	      b->why, how, (unsigned long long)h1_odd_bits(b->r));
	for (size_t i = 0; i < BODIES; i++)
		CHECK(same_body(&b->r->body[i][0], &whole->body[i][0]) &&
			      same_body(&b->r->body[i][1], &whole->body[i][1]),
		      "%s, %s: bodies of tx %zu", b->why, how, i);
}

/* Chunks of at most `most` bytes in the order of the conversation; with dice, of any length. */
static void talk_ordered(struct bench *b, const struct talk *t, uint32_t most, struct dice *d)
{
	h1_begin(b, t->why);
	for (const struct op *op = t->op; op->what; op++) {
		size_t used = 0;

		if (op->what != 'c' && op->what != 's') {
			h1_op(b, op);
			continue;
		}
		while (used < op->n) {
			size_t n = d ? 1 + dice_below(d, most) : most;

			n = n < op->n - used ? n : op->n - used;
			h1_op(b, &(struct op){op->what, op->text + used, n});
			used += n;
		}
	}
	h1_end(b);
}

/* The next part of what a side says; false where it has said all. */
static bool next_part(struct bench *b, const struct op **at, size_t *used, bool server,
		      uint32_t most, struct dice *d)
{
	const char *mine = server ? "sy" : "cx";
	size_t n = 1 + dice_below(d, most);

	while ((*at)->what && !strchr(mine, (*at)->what))
		(*at)++;
	if (!(*at)->what)
		return false;
	n = n < (*at)->n - *used ? n : (*at)->n - *used;
	h1_op(b, &(struct op){(*at)->what, (*at)->text + *used, n});
	*used += n;
	if (*used == (*at)->n) {
		(*at)++;
		*used = 0;
	}
	return true;
}

/* Each side says its own in order; who comes next is thrown. */
static void talk_mixed(struct bench *b, const struct talk *t, uint32_t most, struct dice *d)
{
	const struct op *at[2] = {t->op, t->op};
	size_t used[2] = {0};
	uint32_t bias = 1 + dice_below(d, 9); /* tenths */
	bool more[2] = {true, true};

	h1_begin(b, t->why);
	while (more[0] || more[1]) {
		bool server = dice_below(d, 10) < bias;

		server = more[server] ? server : !server;
		more[server] = next_part(b, &at[server], &used[server], server, most, d);
	}
	h1_end(b);
}

static void keep(struct record *whole, struct bench *b, const struct talk *t)
{
	h1_talk(b, t);
	memcpy(whole, b->r, sizeof(*whole));
}

static void any_chunks(const struct talk *t, size_t n)
{
	static struct record whole;
	struct dice d = dice_of(832);
	struct bench b;

	h1_open(&b, &h1_roomy);
	for (size_t i = 0; i < n; i++) {
		b.client = i & 1;
		keep(&whole, &b, &t[i]);
		talk_ordered(&b, &t[i], 1, NULL);
		expect_same(&b, &whole, "byte by byte");
		for (int k = 0; k < 40; k++) {
			talk_ordered(&b, &t[i], k % 2 ? 12 : 90, &d);
			expect_same(&b, &whole, "in random chunks");
			if (t[i].ordered)
				continue;
			talk_mixed(&b, &t[i], k % 2 ? 12 : 90, &d);
			expect_same(&b, &whole, "in any order");
		}
	}
	h1_close(&b);
}

static void test_any_chunks(void)
{
	any_chunks(talks, sizeof(talks) / sizeof(talks[0]));
}

static void test_any_chunks_and_holes(void)
{
	any_chunks(holes, sizeof(holes) / sizeof(holes[0]));
}

static void talk_split(struct bench *b, const struct talk *t, const struct op *split, size_t n)
{
	h1_begin(b, t->why);
	for (const struct op *op = t->op; op->what; op++) {
		if (op == split) {
			h1_op(b, &(struct op){op->what, op->text, n});
			h1_op(b, &(struct op){op->what, op->text + n, op->n - n});
		} else {
			h1_op(b, op);
		}
	}
	h1_end(b);
}

/* Every text in two parts, everywhere. */
static void every_split(struct bench *b, const struct talk *t, struct record *whole)
{
	keep(whole, b, t);
	for (const struct op *op = t->op; op->what; op++) {
		if (op->what != 'c' && op->what != 's')
			continue;
		for (size_t n = 1; n < op->n; n++) {
			talk_split(b, t, op, n);
			expect_same(b, whole, "in two");
		}
	}
}

static void test_every_split(void)
{
	static struct record whole;
	struct bench b;

	h1_open(&b, &h1_roomy);
	for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++)
		every_split(&b, &talks[i], &whole);
	for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++)
		every_split(&b, &holes[i], &whole);
	h1_close(&b);
}

/* ---- hand-over ---- */

static const struct {
	struct talk t;
	enum service_name service;
	bool deflate, no_context[2];
	const char *client, *server; /* bytes behind it, where chunks are whole */
	uint64_t behind;             /* the request */
} handed_over[] = {
	{IN_ORDER("CONNECT", "CONNECT b:443 0 > 200 0 +\n", 0,
		  C("CONNECT b:443 HTTP/1.1\r\nHost: b\r\n\r\n"),
		  S("HTTP/1.1 200 Connected\r\nContent-Length: 9\r\n\r\n\x16\x03 is theirs"),
		  C("mine\r\n" GET("/"))),
	 SERVICE_UNKNOWN,
	 false,
	 {false, false},
	 "mine\r\n" GET("/"),
	 "\x16\x03 is theirs",
	 35},
	{IN_ORDER("CONNECT, and the client does not wait", "CONNECT b:443 0 > 200 0 +\n", 0,
		  C("CONNECT b:443 HTTP/1.1\r\n\r\n\x16\x03\x01 hello\nand\n"),
		  S("HTTP/1.1 200 Connected\r\n" CHUNKED "\r\n"), S("theirs")),
	 SERVICE_UNKNOWN,
	 false,
	 {false, false},
	 "",
	 "theirs",
	 26},
	{IN_ORDER("websocket", "GET /1 0 > 200 5 +\nGET /ws 0 > 101 0 +\n", 0,
		  C(GET("/1") "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: "
			      "WebSocket\r\n"
			      "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
		  S(HELLO "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
			  "Sec-WebSocket-Extensions: permessage-deflate; "
			  "server_no_context_takeover\r\n\r\n\x81\2hi"),
		  C("\x81\x80")),
	 SERVICE_WEBSOCKET,
	 true,
	 {false, true},
	 "\x81\x80",
	 "\x81\2hi",
	 135},
	{/* RFC 7692 §5: the server has to agree */
	 IN_ORDER("websocket without extensions", "GET /ws 0 > 101 0 +\n", 0,
		  C("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n"
		    "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
		  S("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n")),
	 SERVICE_WEBSOCKET,
	 false,
	 {false, false},
	 "",
	 "",
	 86},
	{IN_ORDER("something else", "GET / 0 > 101 0 +\n", 0,
		  C("GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"),
		  S("HTTP/1.1 100 Continue\r\n\r\n"
		    "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\nframes")),
	 SERVICE_UNKNOWN,
	 false,
	 {false, false},
	 "",
	 "frames",
	 32},
	{/* its body is the request's */
	 IN_ORDER("websocket, asked for with a body", "GET / 4 > 101 0 +\n", 0,
		  C("GET / HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\nbody"
		    "\x81\x80"),
		  S("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n")),
	 SERVICE_WEBSOCKET,
	 false,
	 {false, false},
	 "",
	 "",
	 61},
	{IN_ORDER("answered before its body came", "GET / 2 > 101 0 -\n", 0,
		  C("GET / HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 99\r\n\r\n"
		    "\x81\x80"),
		  S("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n")),
	 SERVICE_WEBSOCKET,
	 false,
	 {false, false},
	 "",
	 "",
	 58},
	{IN_ORDER("a request with a hole", "GET / 0 > 101 0 -\n", 0,
		  C("GET / HTTP/1.1\r\nUpgrade: websocket\r\n"), C_LOSES(20), C("\r\n\x81\x80"),
		  S("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n")),
	 SERVICE_WEBSOCKET,
	 false,
	 {false, false},
	 "",
	 "",
	 0},
};

static void test_handed_over(void)
{
	static struct record whole;
	struct bench b;

	h1_open(&b, &h1_roomy);
	for (size_t i = 0; i < sizeof(handed_over) / sizeof(handed_over[0]); i++) {
		const struct parse_next *next = &b.r->next;
		const char *why = handed_over[i].t.why;

		h1_talk(&b, &handed_over[i].t);
		h1_check_talk(&b, &handed_over[i].t);
		CHECK(b.r->got == PARSE_DONE && next->service == handed_over[i].service &&
			      next->deflate == handed_over[i].deflate &&
			      next->no_context[0] == handed_over[i].no_context[0] &&
			      next->no_context[1] == handed_over[i].no_context[1],
		      "%s: %d, %s, %d, %d%d", why, b.r->got, service_name_text(next->service),
		      next->deflate, next->no_context[0], next->no_context[1]);
		CHECK(next->behind_request == handed_over[i].behind, "%s: behind %llu", why,
		      (unsigned long long)next->behind_request);
		CHECK(strcmp(b.r->rest[b.client].at, handed_over[i].client) == 0,
		      "%s: the client goes on", why);
		CHECK(strcmp(b.r->rest[!b.client].at, handed_over[i].server) == 0,
		      "%s: the server goes on", why);
		every_split(&b, &handed_over[i].t, &whole);
		CHECK(strcmp(b.r->rest[!b.client].at, handed_over[i].server) == 0,
		      "%s: the server goes on, split", why);
		b.client = !b.client;
	}
	h1_close(&b);
}

/* ---- who is who ---- */

/* "What is said tells more than who opened." */
static void test_sides_swapped(void)
{
	struct bench b;

	h1_open(&b, &h1_roomy);
	b.wrong_way = true;
	for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
		const char *first = talks[i].op[0].text;

		if (strncmp(first, "GET / HTTP/1.1", 14) != 0 && strncmp(first, "POST", 4) != 0 &&
		    strncmp(first, "HTTP/", 5) != 0)
			continue;
		h1_talk(&b, &talks[i]);
		h1_check_talk(&b, &talks[i]);
	}
	h1_close(&b);
}

CU_TestInfo http1_talks_tests[] = {
	{"conversations", test_conversations}, {"holes", test_holes},
	{"any_chunks", test_any_chunks},       {"any_chunks_and_holes", test_any_chunks_and_holes},
	{"every_split", test_every_split},     {"handed_over", test_handed_over},
	{"sides_swapped", test_sides_swapped}, CU_TEST_INFO_NULL,
};
