// The volstream command line: flags in, one command run, an exit code out.
#include <cstdio>
#include <string>

#include "CLI/CLI.hpp"
#include "tools/commands.h"
#include "tools/docker_rescue.h"

namespace {

constexpr char kFooter[] =
    "DEST is a directory or s3://bucket/prefix/. S3 keys come from AWS_ACCESS_KEY_ID,\n"
    "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, else from AWS_PROFILE, a role or EC2, as AWS's\n"
    "own tools find them.\n"
    "\n"
    "Exit codes: 0 success, 1 general error, 2 prerequisite missing, 3 source not found or not\n"
    "readable, 4 S3 error, 5 integrity failure (bytes differ), 6 partial success (a destination\n"
    "failed, parts of the source could not be read, a post-hook failed or a container did not "
    "come\n"
    "back, and the rest is proven), 7 another run is at work there, 130 interrupted, 141 whoever "
    "read\n"
    "standard output went away.";

}  // namespace

int main(int argc, char** argv) {
  volstream::Interrupt interrupt;
  CLI::App app(
      "volstream streams a volume as a plain .tar.gz or .tar.zst to directories and S3, proven",
      "volstream");
  app.set_version_flag("--version", "volstream " VOLSTREAM_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  app.get_formatter()->column_width(34);
  volstream::Command command;
  volstream::AddBackupCommand(&app, &command);
  volstream::AddRestoreCommand(&app, &command);
  volstream::AddListCommand(&app, &command);
  volstream::AddLsCommand(&app, &command);
  volstream::AddDiffCommand(&app, &command);
  volstream::AddCatCommand(&app, &command);
  volstream::AddPruneCommand(&app, &command);
  volstream::AddDoctorCommand(&app, &command);
  volstream::AddBenchCommand(&app, &command);
  volstream::AddUnlockCommand(&app, &command);
  volstream::AddVerifyCommand(&app, &command);
  volstream::AddDockerRescueCommand(&app, &command);
  for (CLI::App* subcommand : app.get_subcommands({})) {
    const std::string own = subcommand->get_footer();
    subcommand->footer(own.empty() ? kFooter : own + "\n" + kFooter);
  }
  try {
    app.parse(argc, argv);
    return command(&interrupt);
  } catch (const CLI::ParseError& error) {
    // Help and version are no errors; every other one is a general error.
    return app.exit(error) == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "volstream: %s\n", error.what());
    return 1;
  }
}
