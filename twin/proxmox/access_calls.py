"""API calls about users, tokens, roles and permissions."""

from twin.proxmox.access import ADMINISTRATOR, REALMS, Access, AccessEntry, Role, Token, User, new_secret
from twin.proxmox.parameters import Parameter, Schema, Values, boolean, integer, text, unsupported, words
from twin.proxmox.privileges import BUILT_IN_ROLES, Privilege
from twin.proxmox.refusal import failed, wrong_parameters
from twin.proxmox.routing import ANYONE, Call, Endpoint, Json, needs, needs_any

_USER = text("userid", required=True, pattern=r"[^\s:/]+@[A-Za-z][A-Za-z0-9._-]+")
_USER_SETTINGS = (
    text("comment"), text("email"), text("firstname"), text("lastname"), text("keys"), boolean("enable"),
    integer("expire", minimum=0),
)
_TOKEN_SETTINGS = (text("comment"), boolean("privsep"), integer("expire", minimum=0))
_OBJECTS = ("/", "/access", "/mapping", "/nodes", "/pool", "/sdn", "/storage", "/vms")


class AccessCalls:
    """Everything below `/access`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def endpoints(self) -> list[Endpoint]:
        """The calls; log-in by password is not among them."""
        users = needs_any("/access/groups", Privilege.USER_MODIFY, Privilege.SYS_AUDIT)
        modify_users = needs("/access/groups", Privilege.USER_MODIFY)
        modify = needs("/access", Privilege.SYS_MODIFY)
        user, token, role = "/access/users/{userid}", "/access/users/{userid}/token/{token}", "/access/roles/{roleid}"
        privileges = Parameter("privs", check=_check_privileges)
        return [
            Endpoint("GET", "/access/users", self._users, users, Schema((boolean("enabled"), boolean("full")))),
            Endpoint("POST", "/access/users", self._create_user, modify_users, Schema((
                _USER, *_USER_SETTINGS, unsupported("groups"), unsupported("password"),
            ))),
            Endpoint("GET", user, self._user, users),
            Endpoint("PUT", user, self._update_user, modify_users, Schema((
                *_USER_SETTINGS, boolean("append"), unsupported("groups"),
            ))),
            Endpoint("DELETE", user, self._delete_user, modify_users),
            Endpoint("GET", "/access/users/{userid}/token", self._tokens, ANYONE),
            Endpoint("POST", token, self._create_token, ANYONE, Schema(_TOKEN_SETTINGS)),
            Endpoint("GET", token, self._token, ANYONE),
            Endpoint("PUT", token, self._update_token, ANYONE, Schema(_TOKEN_SETTINGS)),
            Endpoint("DELETE", token, self._delete_token, ANYONE),
            Endpoint("GET", "/access/roles", self._roles, ANYONE),
            Endpoint("POST", "/access/roles", self._create_role, modify, Schema((
                text("roleid", required=True, pattern=r"[A-Za-z0-9._-]+"), privileges,
            ))),
            Endpoint("GET", role, self._role, ANYONE),
            Endpoint("PUT", role, self._update_role, modify, Schema((privileges, boolean("append")))),
            Endpoint("DELETE", role, self._delete_role, modify),
            Endpoint("GET", "/access/acl", self._entries, ANYONE),
            Endpoint("PUT", "/access/acl", self._update_entries, ANYONE, Schema((
                text("path", required=True, pattern=r"/.*"), text("roles", required=True), text("users"),
                text("tokens"), unsupported("groups"), boolean("propagate"), boolean("delete"),
            ))),
            Endpoint("GET", "/access/permissions", self._permissions, ANYONE, Schema((text("path"), text("userid")))),
        ]

    # --- users ---

    def _users(self, call: Call) -> Json:
        del call
        known = {ADMINISTRATOR: User(userid=ADMINISTRATOR)} | dict(self._access.users.items())
        return [_describe_user(user) for user in known.values()]

    def _create_user(self, call: Call) -> Json:
        userid = str(call.values["userid"])
        if userid.partition("@")[2] not in REALMS:
            raise wrong_parameters({"userid": f"domain '{userid.partition('@')[2]}' does not exist"})
        if self._access.user(userid) is not None:
            raise failed(f"create user failed: user '{userid}' already exists")
        settings = {n: v for n, v in call.values.items() if n != "userid"}
        self._access.users.put(userid, User(userid=userid).model_copy(update=settings))
        return None

    def _user(self, call: Call) -> Json:
        return _describe_user(self._find_user(call))

    def _update_user(self, call: Call) -> Json:
        user = self._find_user(call)
        changes = {n: v for n, v in call.values.items() if n != "append"}
        self._access.users.put(user.userid, user.model_copy(update=changes))
        return None

    def _delete_user(self, call: Call) -> Json:
        user = self._find_user(call)
        if user.userid == ADMINISTRATOR:
            raise failed(f"delete user failed: '{ADMINISTRATOR}' cannot be removed")
        for key, token in self._access.tokens.items():
            if token.userid == user.userid:
                self._access.tokens.delete(key)
        self._access.users.delete(user.userid)
        self._access.forget_subject(user.userid)
        return None

    def _find_user(self, call: Call) -> User:
        user = self._access.user(call.path["userid"])
        if user is None:
            raise failed(f"no such user ('{call.path['userid']}'): user does not exist")
        return user

    # --- tokens ---

    def _require_owner(self, call: Call, *privileges: Privilege) -> User:
        if call.principal.userid != call.path["userid"]:
            call.require_any("/access/groups", *privileges)
        return self._find_user(call)

    def _tokens(self, call: Call) -> Json:
        user = self._require_owner(call, Privilege.USER_MODIFY, Privilege.SYS_AUDIT)
        tokens = [token for token in self._access.tokens.all() if token.userid == user.userid]
        return [{"tokenid": token.name, **_describe_token(token)} for token in tokens]

    def _create_token(self, call: Call) -> Json:
        user = self._require_owner(call, Privilege.USER_MODIFY)
        name = call.path["token"]
        key = f"{user.userid}!{name}"
        if self._access.tokens.get(key) is not None:
            raise failed(f"Token already exists: '{key}'")
        token = Token(userid=user.userid, name=name, secret=new_secret()).model_copy(update=dict(call.values))
        self._access.tokens.put(key, token)
        return {"full-tokenid": key, "info": _describe_token(token), "value": token.secret}

    def _token(self, call: Call) -> Json:
        self._require_owner(call, Privilege.USER_MODIFY, Privilege.SYS_AUDIT)
        return _describe_token(self._find_token(call))

    def _update_token(self, call: Call) -> Json:
        self._require_owner(call, Privilege.USER_MODIFY)
        token = self._find_token(call).model_copy(update=dict(call.values))
        self._access.tokens.put(token.full_id, token)
        return _describe_token(token)

    def _delete_token(self, call: Call) -> Json:
        self._require_owner(call, Privilege.USER_MODIFY)
        token = self._find_token(call)
        self._access.tokens.delete(token.full_id)
        self._access.forget_subject(token.full_id)
        return None

    def _find_token(self, call: Call) -> Token:
        token = self._access.tokens.get(f"{call.path['userid']}!{call.path['token']}")
        if token is None:
            raise failed(f"no such token '{call.path['token']}' for user '{call.path['userid']}': it does not exist")
        return token

    # --- roles ---

    def _roles(self, call: Call) -> Json:
        del call
        built_in = [(name, privileges, 1) for name, privileges in BUILT_IN_ROLES.items()]
        own = [(role.roleid, frozenset(role.privileges), 0) for role in self._access.roles.all()]
        return [
            {"roleid": name, "privs": ",".join(sorted(privileges)), "special": special}
            for name, privileges, special in [*built_in, *own]
        ]

    def _create_role(self, call: Call) -> Json:
        roleid = str(call.values["roleid"])
        if self._access.role(roleid) is not None:
            raise failed(f"create role failed: role '{roleid}' already exists")
        self._put_role(roleid, call.values, frozenset())
        return None

    def _role(self, call: Call) -> Json:
        privileges = self._access.role(call.path["roleid"])
        if privileges is None:
            raise failed(f"role '{call.path['roleid']}' does not exist")
        return {privilege.value: 1 for privilege in sorted(privileges)}

    def _update_role(self, call: Call) -> Json:
        roleid = call.path["roleid"]
        role = self._access.roles.get(roleid)
        if role is None:
            state = "auto-generated role" if roleid in BUILT_IN_ROLES else "role does not exist:"
            raise failed(f"update role failed: {state} '{roleid}'")
        kept = frozenset(role.privileges) if call.values.get("append") else frozenset[Privilege]()
        self._put_role(roleid, call.values, kept)
        return None

    def _put_role(self, roleid: str, values: Values, kept: frozenset[Privilege]) -> None:
        granted = kept | {Privilege(word) for word in words(values, "privs")}
        self._access.roles.put(roleid, Role(roleid=roleid, privileges=tuple(sorted(granted))))

    def _delete_role(self, call: Call) -> Json:
        roleid = call.path["roleid"]
        if roleid in BUILT_IN_ROLES:
            raise failed(f"auto-generated role '{roleid}' cannot be deleted")
        self._access.remove_role(roleid)
        return None

    # --- access control list ---

    def _entries(self, call: Call) -> Json:
        if not call.may("/access", Privilege.SYS_AUDIT, Privilege.PERMISSIONS_MODIFY):
            return []
        return [
            {"path": e.path, "roleid": e.roleid, "type": e.kind, "ugid": e.subject, "propagate": int(e.propagate)}
            for e in self._access.entries.all()
        ]

    def _update_entries(self, call: Call) -> Json:
        path = str(call.values["path"]).rstrip("/") or "/"
        if path != "/" and not any(path == o or path.startswith(f"{o}/") for o in _OBJECTS if o != "/"):
            raise wrong_parameters({"path": f"invalid ACL path '{path}'"})
        call.require(path, Privilege.PERMISSIONS_MODIFY)
        subjects = [*words(call.values, "users"), *words(call.values, "tokens")]
        if not subjects:
            raise wrong_parameters({"users": "either 'users', 'groups' or 'tokens' is required"})
        for subject in subjects:
            for roleid in words(call.values, "roles"):
                entry = AccessEntry(
                    path=path, subject=subject, roleid=roleid, propagate=bool(call.values.get("propagate", True))
                )
                if call.values.get("delete"):
                    self._access.entries.delete(entry.key)
                else:
                    self._access.grant(entry)
        return None

    def _permissions(self, call: Call) -> Json:
        if call.values.get("userid") not in (None, call.principal.name, call.principal.userid):
            call.require("/access", Privilege.SYS_AUDIT)
        wanted = call.values.get("path")
        paths = [str(wanted)] if wanted else [*_OBJECTS, *(entry.path for entry in self._access.entries.all())]
        held = {path: self._access.privileges(call.principal, path) for path in dict.fromkeys(paths)}
        return {path: {p.value: 1 for p in sorted(found)} for path, found in held.items() if found}


def _check_privileges(value: str) -> str | None:
    for word in words({"privs": value}, "privs"):
        if word not in set(Privilege):
            return f"invalid format - invalid privilege '{word}'"
    return None


def _describe_user(user: User) -> Json:
    return {n: int(v) if isinstance(v, bool) else v for n, v in user.model_dump(exclude_none=True).items()}


def _describe_token(token: Token) -> dict[str, Json]:
    described: dict[str, Json] = {"privsep": int(token.privsep), "expire": token.expire}
    if token.comment is not None:
        described["comment"] = token.comment
    return described
