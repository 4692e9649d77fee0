// SPDX-License-Identifier: Apache-2.0
// faceflow from C++: pictures in from your own memory, faces out by callback or by asking.
//
//     auto engine = faceflow::engine::create({}).value();
//     engine.push(picture, pts_ns).value();
//     while (auto faces = engine.next().value()) use(*faces);
//
// Errors are values (faceflow/result.hpp). Nothing here throws but std::bad_alloc, and value() of a result that is an error.
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

// Of the library that runs, "0.2.0"; FACEFLOW_VERSION (faceflow/version.h) is that of the headers.
[[nodiscard]] std::string version();

// What an engine runs on: what became of each `auto`.
struct engine_info {
    std::vector<std::string> devices;        // as `options::device` names them: "cpu", or "cuda:0", "cuda:1"
    std::string flow, inference, precision;  // as name() of their enums says
    // A sentence each: what differs from what one might expect, such as a GPU that is there and not used, with the reason; then what
    // happened since, such as a stage that was restarted. The first hundred.
    std::vector<std::string> notes;
};

// What an engine has counted since it was made.
struct engine_counts {
    std::uint64_t frames = 0;  // that gave a result
    std::uint64_t faces = 0;   // in them
    // Frames that gave none, by the reasons that docs/output.md lists: on purpose ("overtaken", "device_memory", "stage_lost"), or by an
    // error, which next() or the callback had in their place. And `callback`: results whose callback threw, which are in `frames`, too.
    std::map<std::string, std::uint64_t> dropped, errors;
};

// Finds and follows faces. An engine holds models, threads and device memory: make one and keep it.
//
// Thread-safe, but each source's frames must be pushed from one thread at a time, in the order of time. Moving an engine, or
// destroying it, is for one thread while no other uses it. One that was moved from can be destroyed and assigned to, no more.
class engine {
public:
    // Receives the faces of each frame on a thread of the engine's, in order within a source. Frames that failed come as an
    // error. It must not call the engine back; while it runs, no other result is handed over. What it throws is counted as an error
    // ("callback") and noted; the engine goes on with the next frame.
    using callback = std::function<void(result<frame_faces>)>;

    // Loads the models. With a callback results go there; without one they wait for `next`.
    [[nodiscard]] static result<engine> create(const options& chosen, callback on_faces = {});

    // Finishes what was pushed, then lets go of everything. So does assignment with what was there before.
    ~engine();
    engine(engine&&) noexcept;
    engine& operator=(engine&&) noexcept;

    // Takes a picture on without copying it: its memory must stay valid and unchanged until `release` is called, once, or,
    // without one, until the frame's result was handed over. `release` may run on a thread of the engine's or within any push,
    // no lock of the engine's is held meanwhile, and it must neither call the engine back nor throw. After an error it is not called.
    // `pts_ns` must grow within a source. Recorded pacing: waits for room. Live pacing: never waits; an older
    // frame that has not begun makes room and has no result.
    // Errors: invalid_argument and unsupported (of the picture), unavailable (256 results wait for `next`), device_lost (the
    // device fails for good, and this process with it: no engine of it can use the device any more).
    [[nodiscard]] result<frame_id> push(const image& picture, std::int64_t pts_ns, std::uint32_t source = 0,
                                        std::function<void()> release = {});

    // Waits for the next result; nullopt when nothing that was pushed is without one. The error of a frame that failed is
    // returned in its place. Only without a callback. With recorded pacing and `detect_every`, frames go in groups of so many, each
    // group with one detection. When no other result can come, a group goes that is not whole yet.
    [[nodiscard]] result<std::optional<frame_faces>> next();

    // Waits until no pushed frame is without its result, callbacks included: also for those that other threads push meanwhile.
    void finish();

    [[nodiscard]] engine_info info() const;
    // Of one moment, more or less: frames go on meanwhile.
    [[nodiscard]] engine_counts counts() const;

private:
    struct impl;
    explicit engine(std::unique_ptr<impl> i);
    std::unique_ptr<impl> impl_;
};

}  // namespace faceflow
