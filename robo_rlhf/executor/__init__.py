"""Work elsewhere: commands in processes of this machine, and commands and functions of ours on a Ray cluster."""
