#!/bin/sh
# SPDX-License-Identifier: MIT
# The same as guest.t under User-mode Linux: it needs no KVM.
# takes: 20 s
here=$(dirname "$0")
VK_ENGINE=uml
export VK_ENGINE
exec sh "$here/guest.t"
