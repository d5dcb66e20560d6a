/* SPDX-License-Identifier: MIT */
/* privileges — see privileges.h. */
#include "user/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "user/base/log.h"

static const struct passwd *find(const char *user)
{
	const struct passwd *who = getpwnam(user); /* NOLINT(concurrency-mt-unsafe): at start */

	if (!who)
		log_line("--user %s: there is no such user", user);
	return who;
}

int privileges_drop(const char *user)
{
	const struct passwd *who = geteuid() == 0 ? find(user) : NULL;
	int err;

	if (geteuid() == 0 && !who)
		return -ENOENT;
	capng_clear(CAPNG_SELECT_BOTH);
	if (who)
		err = capng_change_id((int)who->pw_uid, (int)who->pw_gid,
				      (capng_flags_t)(CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING));
	else
		err = capng_apply(CAPNG_SELECT_CAPS);
	if (err != 0) {
		log_line("giving up privileges failed (step %d); not started with them", err);
		return -EPERM;
	}
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int privileges_give(int folder, const char *user)
{
	const struct passwd *who = geteuid() == 0 ? find(user) : NULL;

	if (!who)
		return geteuid() == 0 ? -ENOENT : 0;
	return fchown(folder, who->pw_uid, who->pw_gid) < 0 ? -errno : 0;
}

bool privileges_can_write(int folder)
{
	return faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) == 0;
}
