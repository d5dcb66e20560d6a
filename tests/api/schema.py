# SPDX-License-Identifier: MIT
"""schema - holds values against the JSON Schemas of an OpenAPI document. Strict: a keyword that it does not know is an
error, and so is an object whose schema does not say which members it has."""
import re

KNOWN = {'type', 'properties', 'required', 'additionalProperties', 'items', 'anyOf', 'enum', 'pattern', '$ref',
         'minimum', 'maximum', 'maxLength', 'default', 'description'}
TYPES = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'null': type(None)}


class Document:
    def __init__(self, document):
        self.document = document

    def resolve(self, schema):
        while '$ref' in schema:
            at = self.document
            for part in schema['$ref'].removeprefix('#/').split('/'):
                at = at[part]
            schema = at
        return schema

    def problems(self, value, schema, path=''):
        """What is wrong, in words; an empty list where nothing is."""
        schema = self.resolve(schema)
        found = ['%s: unknown keyword %s' % (path, k) for k in schema if k not in KNOWN]
        if 'anyOf' in schema:
            tried = [self.problems(value, s, path) for s in schema['anyOf']]
            if all(tried):
                found += min(tried, key=len)
        if 'enum' in schema and value not in schema['enum']:
            found.append('%s: %r is none of %r' % (path, value, schema['enum']))
        kind = schema.get('type')
        if kind and not is_a(value, kind):
            return found + ['%s: %.60r is no %s' % (path, value, kind)]
        if isinstance(value, str) and 'pattern' in schema and not re.search(schema['pattern'], value):
            found.append('%s: %.60r does not match %s' % (path, value, schema['pattern']))
        if kind == 'array' and 'items' in schema:
            for i, x in enumerate(value):
                found += self.problems(x, schema['items'], '%s[%d]' % (path, i))
        elif kind == 'object':
            found += self.members(value, schema, path)
        return found

    def members(self, value, schema, path):
        known, more = schema.get('properties'), schema.get('additionalProperties', True)
        if known is None and not isinstance(more, dict):
            return ['%s: the schema does not say which members there are' % path]
        found = ['%s: %s is missing' % (path, k) for k in schema.get('required', []) if k not in value]
        for k, v in value.items():
            if k in (known or {}):
                found += self.problems(v, known[k], '%s.%s' % (path, k))
            elif isinstance(more, dict):
                found += self.problems(v, more, '%s.%s' % (path, k))
            elif not more or known is not None:
                found.append('%s: %s is not in the schema' % (path, k))
        return found


def is_a(value, kind):
    if kind == 'integer':
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == 'number':
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[kind])
