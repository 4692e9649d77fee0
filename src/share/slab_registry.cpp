// SPDX-License-Identifier: Apache-2.0
#include "share/slab_registry.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "core/sealed_memory.hpp"
#include "core/try.hpp"

namespace faceflow::internal::share {
namespace {

// Opens the memory anew: through a duplicate of the writable descriptor, a client could write.
result<unique_fd> reopen_read_only(const unique_fd& memory) {
    unique_fd opened(::open(fmt::format("/proc/self/fd/{}", memory.get()).c_str(), O_RDONLY | O_CLOEXEC));
    if (opened) return opened;
    const bool full = errno == EMFILE || errno == ENFILE;
    return fail(full ? errc::unavailable : errc::io,
                fmt::format("frame memory cannot be opened for reading alone: {}; {}", std::strerror(errno),
                            full ? "raise the limit of open files (ulimit -n)" : "is /proc mounted?"));
}

}  // namespace

result<slab_registry::slot_number> slab_registry::find(const lease& of) {
    FACEFLOW_ASSIGN(auto named, exported_.name_of(of));
    FACEFLOW_TRY(catch_up());
    return slot_number{named.slab, named.slot};
}

result<void> slab_registry::catch_up() {
    for (const auto& change : exported_.changes_since(read_)) {
        const auto& f = change.facts;
        if (change.memory == nullptr) {
            entries_.erase(f.number);
        } else {
            if (!read_only_) {
                return fail(errc::unsupported,
                            "frames in CUDA memory cannot be shared with programs that are not faceflow's "
                            "own: CUDA knows no read-only imports; share from --device cpu");
            }
            // The owner has mapped it already; no other mapping may be writable.
            FACEFLOW_TRY(seal_against_writers(change.memory->get()));
            FACEFLOW_ASSIGN(auto opened, reopen_read_only(*change.memory));
            entries_[f.number] = {{f.number, f.slots, f.slot_bytes, f.where.offset, f.where.kind, {}},
                                  std::make_shared<const unique_fd>(std::move(opened))};
        }
        read_.add(change);
        ++version_;
    }
    return {};
}

}  // namespace faceflow::internal::share
