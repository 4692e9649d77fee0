// SPDX-License-Identifier: Apache-2.0
#include "share/slab_book.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "core/sealed_memory.hpp"

namespace faceflow::share {
namespace {

// Another open file of the same memory: through a duplicate of the writable one a client could write.
result<unique_fd> reopen_read_only(const unique_fd& memory) {
    unique_fd opened(::open(fmt::format("/proc/self/fd/{}", memory.get()).c_str(), O_RDONLY | O_CLOEXEC));
    if (opened) return opened;
    const bool full = errno == EMFILE || errno == ENFILE;
    return fail(full ? errc::unavailable : errc::io,
                fmt::format("frame memory cannot be opened for reading alone: {}; {}", std::strerror(errno),
                            full ? "raise the limit of open files (ulimit -n)" : "is /proc mounted?"));
}

}  // namespace

result<slab_book::slot_number> slab_book::find(const lease& of) {
    auto named = exported_.name_of(of);
    if (!named) return tl::unexpected(std::move(named.error()));
    if (auto r = catch_up(); !r) return tl::unexpected(std::move(r.error()));
    return slot_number{named->slab, named->slot};
}

result<void> slab_book::catch_up() {
    for (const auto& news : exported_.news(read_)) {
        const auto& f = news.facts;
        if (news.memory == nullptr) {
            entries_.erase(f.number);
        } else {
            if (f.where.kind == device_kind::cuda) {
                return fail(errc::unsupported,
                            "frames in CUDA memory cannot be shared with programs that are not faceflow's "
                            "own: CUDA knows no read-only imports; share from --device cpu");
            }
            // Its owner has mapped it; nobody else is meant to write there.
            if (auto r = seal_against_writers(news.memory->get()); !r) return r;
            auto opened = reopen_read_only(*news.memory);
            if (!opened) return tl::unexpected(std::move(opened.error()));
            entries_[f.number] = {{f.number, f.slots, f.slot_bytes, f.where.offset, f.where.kind, {}},
                                  std::make_shared<const unique_fd>(std::move(*opened))};
        }
        read_.enter(news);
        ++version_;
    }
    return {};
}

}  // namespace faceflow::share
