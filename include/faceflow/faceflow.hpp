// SPDX-License-Identifier: Apache-2.0
// The C++ API: push pictures from your own memory, receive faces through a callback or from next().
//
//     auto engine = faceflow::engine::create({}).value();
//     engine.push(picture, pts_ns).value();
//     while (auto faces = engine.next().value()) use(*faces);
//
// Errors are values (faceflow/result.hpp). Nothing here throws, except std::bad_alloc and value() of a result that
// holds an error.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "faceflow/version.h"

namespace faceflow {

// The version of the library that is loaded, such as "0.2.0"; FACEFLOW_VERSION (faceflow/version.h) is that of the
// headers.
[[nodiscard]] std::string version();

// What an engine runs on: the choice made for each `auto`.
struct engine_info {
    std::vector<std::string> devices;        // as `options::device` names them: "cpu", or "cuda:0", "cuda:1"
    std::string flow, inference, precision;  // as name() returns them
    // The first hundred notes, one sentence each: first every choice that may surprise, with the reason (such as a GPU
    // that is present but unused); then events since, such as a restarted stage.
    std::vector<std::string> notes;
};

// Counts since the engine was made.
struct engine_counts {
    std::uint64_t frames = 0;  // with a result
    std::uint64_t faces = 0;   // in those frames
    // Frames without a result, by the reasons that docs/output.md lists. `dropped`: on purpose ("overtaken",
    // "device_memory", "stage_lost"). `errors`: next() or the callback received the error instead; its key "callback"
    // counts results whose callback threw, which are in `frames` too.
    std::map<std::string, std::uint64_t> dropped, errors;
};

// Detects and tracks faces. An engine holds models, threads and device memory: make one and keep it.
//
// Thread-safe, but push each source's frames from one thread at a time, in order of time. No other thread may use an
// engine while it is moved or destroyed. A moved-from engine can only be destroyed or assigned to.
class engine {
public:
    // Receives the faces of each frame, or its error, on one of the engine's threads, in order within a source. Calls
    // never overlap. The callback must not call the engine. If it throws, the engine counts an error ("callback"), adds
    // a note and continues with the next frame.
    using callback = std::function<void(result<frame_faces>)>;

    // Loads the models. Results go to the callback; without one they wait for next().
    [[nodiscard]] static result<engine> create(const options& chosen, callback on_faces = {});

    // Finishes every pushed frame, then frees all resources. Assignment does the same to the engine it replaces.
    ~engine();
    engine(engine&&) noexcept;
    engine& operator=(engine&&) noexcept;

    // Accepts a picture without copying it: its memory must stay valid and unchanged until `release` is called (once),
    // or, without `release`, until the frame's result was handed over. `release` may run on one of the engine's threads
    // or inside any push; the engine holds no lock during the call. It must neither call the engine nor throw, and is
    // not called if push returns an error. `pts_ns` must grow within a source, whose frames are taken for a video: faces
    // are followed from each to the next, and `options::detect` says when to detect. For unrelated pictures set
    // detect_mode::independent. Recorded pacing: blocks until there is
    // room. Live pacing: never blocks; an older frame that has not begun is dropped to make room and has no result.
    // Errors: invalid_argument and unsupported (about the picture), unavailable (256 results wait for next()),
    // device_lost (permanent: no engine of this process can use the device any more).
    [[nodiscard]] result<frame_id> push(const image& picture, std::int64_t pts_ns, std::uint32_t source = 0,
                                        std::function<void()> release = {});

    // Blocks until the next result; nullopt when every pushed frame has had its result. A failed frame's error is
    // returned in place of its result. Only for engines without a callback.
    [[nodiscard]] result<std::optional<frame_faces>> next();

    // Blocks until every pushed frame has had its result, including its callback and including frames that other
    // threads push meanwhile.
    void finish();

    [[nodiscard]] engine_info info() const;
    // A snapshot; it is not atomic, as frames are processed meanwhile.
    [[nodiscard]] engine_counts counts() const;

private:
    struct impl;
    explicit engine(std::unique_ptr<impl> i);
    std::unique_ptr<impl> impl_;
};

}  // namespace faceflow
